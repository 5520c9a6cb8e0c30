-- Every document of the search index: one per visible offer and language of its store.
select t.lang || '/' || v.store_id || ':' || v.product_id as key, jsonb_build_object(
  'title', t.title, 'card_title', t.title, 'slug', t.slug, 'description', t.description,
  'brand', case v.brand when 0 then '' else v.brand::text end, 'brand_name', v.brand_name,
  'price', v.price, 'list_price', v.list_amount, 'available', v.available, 'in_stock', v.available > 0, 'low_stock', v.low_stock,
  'rating', v.rating, 'reviews', v.reviews,
  'popularity', round(v.popularity::numeric, 4), 'boost', v.boost, 'image', v.image,
  'categories', coalesce((select jsonb_agg(pc.category_id::text order by pc.category_id::text collate "C") from product_categories pc
                          where pc.product_id = v.product_id), '[]'),
  -- Without separators, GTINs without the zeros in front; of a SKU also what follows each separator, from four characters on.
  'refs', (select jsonb_agg(distinct z.ref order by z.ref) from (
      select case when x.bare ~ '^[0-9]{8,}$' then ltrim(x.bare, '0') else x.bare end collate "C" as ref, x.whole from (
          select lower(regexp_replace(substr(r.sku, at), '[^A-Za-z0-9]', '', 'g')) as bare, at = 1 as whole
          from prices r cross join generate_series(1, length(r.sku)) as at
          where r.store_id = v.store_id and r.product_id = v.product_id
            and (at = 1 or substr(r.sku, at - 1, 1) ~ '[^A-Za-z0-9]' and substr(r.sku, at, 1) ~ '[A-Za-z0-9]')
          union all select y.gtin, true from prices r join variants y on y.sku = r.sku
          where r.store_id = v.store_id and r.product_id = v.product_id and y.gtin is not null
          union all select p.gtin, true from products p where p.id = v.product_id and p.gtin is not null) x) z
      where z.whole or length(z.ref) >= 4),
  'keywords', coalesce((select jsonb_agg(k.pair order by k.pair collate "C") from (
      select distinct a.code || '=' || x.value as pair
      from audit_attribute a cross join lateral jsonb_array_elements_text(case jsonb_typeof(a.value) when 'array' then a.value else jsonb_build_array(a.value) end) as x(value)
      where a.store_id = v.store_id and a.product_id = v.product_id and a.kind in ('keyword', 'boolean')
        and x.value <> '' and octet_length(x.value) <= 256) k), '[]'),
  'numbers', coalesce((select jsonb_object_agg(n.slot, n.list) from (
      select 'n' || a.numeric_slot as slot, jsonb_agg(distinct x.value::float8 order by x.value::float8) as list
      from audit_attribute a cross join lateral jsonb_array_elements_text(case jsonb_typeof(a.value) when 'array' then a.value else jsonb_build_array(a.value) end) as x(value)
      where a.store_id = v.store_id and a.product_id = v.product_id and a.kind = 'number' and x.value is not null
      group by 1) n), '{}')) as document
from audit_visible v
join audit_text t on t.store_id = v.store_id and t.product_id = v.product_id
