-- The home page of store $1 in language $2: its top categories in order, each with the number of distinct offers in or below
-- it and the eight best of them.
with recursive shown as (
  select c.id, c.id as top from stores s join categories c on c.tree_id = s.tree_id and c.parent_id is null and c.active
  where s.id = $1 and s.active
  union all
  select c.id, shown.top from shown join categories c on c.parent_id = shown.id and c.active
), member as (
  select distinct shown.top, o.*
  from bench_offer o join product_categories pc on pc.product_id = o.product_id join shown on shown.id = pc.category_id
  where o.store_id = $1
), ranked as (
  select *, count(*) over (partition by top) as n,
         row_number() over (partition by top order by available > 0 desc, round((popularity * boost)::numeric, 6) desc, product_id) as rank
  from member
), best as (
  select r.top, max(r.n) as n, json_agg(json_build_object(
    'product', r.product_id, 'title', t.title, 'slug', t.slug, 'price', r.price, 'list_price', r.list_price,
    'image', coalesce(p.images -> 0 ->> 'url', ''), 'brand', coalesce(b.name, ''), 'in_stock', r.available > 0, 'low_stock', r.low_stock,
    'rating', w.rating, 'reviews', w.n) order by r.rank) as cards
  from ranked r
  join products p on p.id = r.product_id
  left join brands b on b.id = p.brand_id
  cross join lateral (select x.title, x.slug from product_texts x where x.product_id = r.product_id
                      order by x.lang = $2 desc, x.lang = 'en' desc, x.lang limit 1) t
  cross join lateral (select count(*) as n, coalesce(round(avg(rating), 1), 0) as rating
                      from reviews where product_id = r.product_id and status = 'published') w
  where r.rank <= 8 group by r.top
)
select coalesce(json_agg(json_build_object(
  'id', c.id, 'slug', c.slug, 'name', coalesce(t.name, c.slug), 'count', coalesce(best.n, 0), 'cards', coalesce(best.cards, '[]')
) order by c.position, c.id), '[]')
from shown join categories c on c.id = shown.id
left join best on best.top = c.id
left join lateral (select x.name from category_texts x where x.category_id = c.id
                   order by x.lang = $2 desc, x.lang = 'en' desc, x.lang limit 1) t on true
where shown.id = shown.top
