-- The rows of the small tables that others look things up in, whole. They are of no store: of a table that is narrowed to one
-- store the whole is asked for.
select t.key, t.row || coalesce(
  (select jsonb_object_agg(c.key, (extract(epoch from (c.value #>> '{}')::timestamptz) * 1000000)::bigint)
   from jsonb_each(t.row) c where c.key in ('created_at', 'valid_from', 'valid_to') and jsonb_typeof(c.value) = 'string'), '{}') as document
from (
  select 'stores:' || id as key, to_jsonb(x) as row from public.stores x
  union all select 'category_trees:' || id, to_jsonb(x) from category_trees x
  union all select 'categories:' || id, to_jsonb(x) from categories x
  union all select 'category_texts:' || category_id || ':' || lang, to_jsonb(x) from category_texts x
  union all select 'brands:' || id, to_jsonb(x) from brands x
  union all select 'sellers:' || id, to_jsonb(x) from sellers x
  union all select 'attribute_defs:' || code, to_jsonb(x) from attribute_defs x
  union all select 'search_synonyms:' || id, to_jsonb(x) from search_synonyms x
  union all select 'search_rules:' || id, to_jsonb(x) from search_rules x
  union all select 'search_facets:' || id, to_jsonb(x) from search_facets x
  union all select 'search_banners:' || id, to_jsonb(x) from search_banners x
) t
