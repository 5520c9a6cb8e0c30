-- Every category page.
select f.store_id || ':' || c.id || ':' || f.lang as key, jsonb_build_object(
  'slug', c.slug, 'name', n.name,
  'breadcrumbs', (select jsonb_agg(jsonb_build_object('id', a.id, 'slug', a.slug, 'name', an.name) order by i.ord)
                  from unnest(c.ids) with ordinality as i(id, ord) join audit_shown a on a.id = i.id
                  join audit_name an on an.id = a.id and an.lang = f.lang
                  where i.ord = 1 or i.ord > cardinality(c.ids) - 31),
  'children', coalesce((select jsonb_agg(jsonb_build_object('id', k.id, 'slug', k.slug, 'name', kn.name, 'count', coalesce(kc.n, 0)) order by k.position, k.id)
                        from audit_shown k join audit_name kn on kn.id = k.id and kn.lang = f.lang
                        left join audit_count kc on kc.store_id = f.store_id and kc.category_id = k.id
                        where k.parent_id = c.id), '[]'),
  'count', coalesce(ac.n, 0),
  'cards', coalesce((select jsonb_agg(d.card order by d.rank) from audit_card d
                     where d.store_id = f.store_id and d.category_id = c.id and d.lang = f.lang), '[]'),
  'facets', coalesce((select jsonb_agg(x.facet order by x.place) from audit_facet x
                      where x.store_id = f.store_id and x.category_id = c.id and x.place <= 12), '[]')) as document
from audit_front f
join audit_shown c on c.tree_id = f.tree_id
join audit_name n on n.id = c.id and n.lang = f.lang
left join audit_count ac on ac.store_id = f.store_id and ac.category_id = c.id
