-- Every store's home page.
select f.store_id || ':' || f.lang as key, jsonb_build_object(
  'categories', coalesce((
    select jsonb_agg(jsonb_build_object('id', c.id, 'slug', c.slug, 'name', n.name, 'count', coalesce(ac.n, 0),
             'cards', coalesce((select jsonb_agg(d.card order by d.rank) from audit_card d
                                where d.store_id = f.store_id and d.category_id = c.id and d.lang = f.lang and d.rank <= 8), '[]'))
           order by c.position, c.id)
    from audit_shown c join audit_name n on n.id = c.id and n.lang = f.lang
    left join audit_count ac on ac.store_id = f.store_id and ac.category_id = c.id
    where c.tree_id = f.tree_id and c.parent_id is null), '[]')) as document
from audit_front f
