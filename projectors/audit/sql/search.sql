-- Every document of the search index: one per visible offer and language of its store.
select t.lang || '/' || v.store_id || ':' || v.product_id as key, jsonb_build_object(
  'title', t.title, 'slug', t.slug, 'description', t.description, 'brand', v.brand, 'brand_name', v.brand_name,
  'price', v.price, 'available', v.available, 'popularity', round(v.popularity::numeric, 4), 'boost', v.boost,
  'categories', coalesce((select jsonb_agg(pc.category_id order by pc.category_id) from product_categories pc where pc.product_id = v.product_id), '[]'),
  'skus', (select jsonb_agg(r.sku order by r.sku collate "C") from prices r where r.store_id = v.store_id and r.product_id = v.product_id),
  'keywords', coalesce((select jsonb_agg(k.code || '=' || k.value order by (k.code || '=' || k.value) collate "C") from (
      select a.key as code, x.value from jsonb_each(p.attributes) a join attribute_defs d on d.code = a.key and d.kind = 'keyword'
        cross join lateral jsonb_array_elements_text(case jsonb_typeof(a.value) when 'array' then a.value else jsonb_build_array(a.value) end) as x(value)
        where jsonb_typeof(a.value) in ('string', 'array')
      union
      select a.key, a.value #>> '{}' from jsonb_each(p.attributes) a join attribute_defs d on d.code = a.key and d.kind = 'boolean'
        where jsonb_typeof(a.value) = 'boolean') k), '[]'),
  'numbers', coalesce((select jsonb_object_agg(d.numeric_slot::text, (a.value #>> '{}')::float8) from jsonb_each(p.attributes) a
      join attribute_defs d on d.code = a.key and d.kind = 'number' where jsonb_typeof(a.value) = 'number'), '{}')) as document
from audit_visible v
join products p on p.id = v.product_id
join audit_text t on t.store_id = v.store_id and t.product_id = v.product_id
