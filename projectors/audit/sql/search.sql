-- Every document of the search index: one per visible offer and language of its store.
with offer as materialized (select v.*,
  coalesce((select jsonb_agg(pc.category_id::text order by pc.category_id::text collate "C") from product_categories pc
            where pc.product_id = v.product_id), '[]') as categories,
  -- Without separators, GTINs without the zeros in front; of a SKU also what follows each separator, from four characters on.
  (select jsonb_agg(distinct z.ref order by z.ref) from (
      select case when x.bare ~ '^[0-9]{8,}$' then ltrim(x.bare, '0') else x.bare end collate "C" as ref, x.whole from (
          select lower(array_to_string(s.parts[nth:], '')) as bare, nth = 1 as whole
          from prices r cross join regexp_split_to_array(r.sku, '[^A-Za-z0-9]+') as s(parts) cross join generate_series(1, cardinality(s.parts)) as nth
          where r.store_id = v.store_id and r.product_id = v.product_id
          union all select y.gtin, true from prices r join variants y on y.sku = r.sku
          where r.store_id = v.store_id and r.product_id = v.product_id and y.gtin is not null
          union all select p.gtin, true from products p where p.id = v.product_id and p.gtin is not null) x) z
      where z.whole or length(z.ref) >= 4) as refs,
  coalesce((select jsonb_agg(k.pair order by k.pair collate "C") from (
      select distinct a.code || '=' || x.value as pair
      from audit_attribute a cross join lateral jsonb_array_elements_text(case jsonb_typeof(a.value) when 'array' then a.value else jsonb_build_array(a.value) end) as x(value)
      where a.store_id = v.store_id and a.product_id = v.product_id and a.kind in ('keyword', 'boolean')
        and x.value <> '' and octet_length(x.value) <= 256) k), '[]') as keywords,
  coalesce((select jsonb_object_agg(n.slot, n.list) from (
      select 'n' || a.numeric_slot as slot, jsonb_agg(distinct x.value::float8 order by x.value::float8) as list
      from audit_attribute a cross join lateral jsonb_array_elements_text(case jsonb_typeof(a.value) when 'array' then a.value else jsonb_build_array(a.value) end) as x(value)
      where a.store_id = v.store_id and a.product_id = v.product_id and a.kind = 'number' and x.value is not null
      group by 1) n), '{}') as numbers
  from audit_visible v)
select t.lang || '/' || o.store_id || ':' || o.product_id as key, jsonb_build_object(
  'title', t.title, 'card_title', t.title, 'slug', t.slug, 'description', t.description,
  'brand', case o.brand when 0 then '' else o.brand::text end, 'brand_name', o.brand_name,
  'price', o.price, 'list_price', o.list_amount, 'available', o.available, 'in_stock', o.available > 0, 'low_stock', o.low_stock,
  'rating', o.rating, 'reviews', o.reviews,
  'popularity', round(o.popularity::numeric, 4), 'boost', o.boost, 'image', o.image,
  'categories', o.categories, 'refs', o.refs, 'keywords', o.keywords, 'numbers', o.numbers) as document
from offer o
join audit_text t on t.store_id = o.store_id and t.product_id = o.product_id
