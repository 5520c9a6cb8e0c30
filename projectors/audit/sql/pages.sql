-- What category pages and homes are computed from, on top of what prepare.sql has.

-- Categories that are active up to the root, and for each all that stand above it, itself included.
create temp table audit_shown on commit drop as
with recursive down(id, tree_id, parent_id, slug, position, ids) as (
  select id, tree_id, parent_id, slug, position, array[id] from categories
  where parent_id is null and active and tree_id in (select tree_id from stores)
  union all
  select c.id, c.tree_id, c.parent_id, c.slug, c.position, down.ids || c.id
  from categories c join down on c.parent_id = down.id where c.active)
select * from down;
create unique index on audit_shown (id);

-- The stores' languages, and what each category is called in each of them.
create temp table audit_front on commit drop as
select s.id as store_id, s.tree_id, l.lang from stores s cross join lateral unnest(s.languages) as l(lang) where s.active;
create temp table audit_name on commit drop as
select c.id, l.lang, coalesce((select t.name from category_texts t where t.category_id = c.id
                               order by (t.lang = l.lang) desc, (t.lang = 'en') desc, t.lang limit 1), c.slug) as name
from audit_shown c cross join (select distinct lang from audit_front) l;
create unique index on audit_name (id, lang);

-- The merchants' rules of each category page.
create temp table audit_rule on commit drop as
select s.id as store_id, c.id as category_id, r.id, r.product_id, r.action, r.place, r.factor
from search_rules r
join stores s on r.store_id is null or r.store_id = s.id
join audit_shown c on c.tree_id = s.tree_id and (r.category_id is null or r.category_id = c.id)
where r.active and r.query is null;
create index on audit_rule (store_id, category_id, product_id);

-- Which visible offers stand in or below a category, ranked as its page ranks them: the hidden left out, and a pinned one that
-- can be had behind as many others as its place leaves room for, given the pins before it.
create temp table audit_member on commit drop as
with member as (
  select distinct v.store_id, a.id as category_id, v.product_id, v.available > 0 as in_stock, round((v.popularity * v.boost)::numeric, 6) as score
  from audit_visible v
  join stores s on s.id = v.store_id and s.active
  join product_categories pc on pc.product_id = v.product_id
  join audit_shown c on c.id = pc.category_id and c.tree_id = s.tree_id
  cross join lateral unnest(c.ids) as a(id)
), boosted as (
  select store_id, category_id, product_id, exp(sum(ln(factor))) as factor from audit_rule where action = 'boost' group by 1, 2, 3
), pinned as (
  select distinct on (store_id, category_id, product_id) store_id, category_id, product_id, place, id as pin
  from audit_rule where action = 'pin' order by store_id, category_id, product_id, place, id
), scored as (
  select m.store_id, m.category_id, m.product_id, m.in_stock, p.place, p.pin,
         case when b.factor is null then m.score else round((m.score::float8 * b.factor)::numeric, 6) end as score
  from member m
  left join boosted b using (store_id, category_id, product_id)
  left join pinned p on m.in_stock and p.store_id = m.store_id and p.category_id = m.category_id and p.product_id = m.product_id
  where not exists (select 1 from audit_rule h where h.action = 'hide' and h.store_id = m.store_id and h.category_id = m.category_id and h.product_id = m.product_id)
), numbered as (
  select *, row_number() over (partition by store_id, category_id, pin is null order by place, pin, in_stock desc, score desc, product_id) - 1 as nth from scored
), placed as (
  select *, case when pin is null then nth
    else greatest(0, max(place - 1 - nth) over (partition by store_id, category_id, pin is null order by nth)) end as others from numbered
)
select store_id, category_id, product_id, row_number() over (partition by store_id, category_id order by others, pin is null, nth) as rank
from placed;
create index on audit_member (store_id, category_id, rank);
create temp table audit_count on commit drop as
select store_id, category_id, count(*) as n from audit_member group by store_id, category_id;
create unique index on audit_count (store_id, category_id);

-- The cards of the first 24 of every category, in each language.
create temp table audit_card on commit drop as
select m.store_id, m.category_id, m.rank, t.lang, jsonb_build_object(
  'product', v.product_id, 'title', t.title, 'slug', t.slug, 'price', v.price, 'list_price', v.list_amount,
  'image', case when octet_length(v.image) <= 2048 then v.image else '' end, 'brand', v.brand_name, 'in_stock', v.available > 0, 'low_stock', v.low_stock,
  'rating', v.rating, 'reviews', v.reviews) as card
from audit_member m
join audit_visible v on v.store_id = m.store_id and v.product_id = m.product_id
join audit_text t on t.store_id = m.store_id and t.product_id = m.product_id
where m.rank <= 24;
create index on audit_card (store_id, category_id, lang, rank);

-- The facets of a category page: how many offers have each value, the ten most frequent of each of the twelve attributes that
-- most offers have; of a number its bounds.
create temp table audit_facet on commit drop as
with value as (
  select distinct a.store_id, a.product_id, a.code, a.kind, case a.kind when 'number' then x.value::float8::text else x.value end as value
  from audit_attribute a join attribute_defs d on d.code = a.code and d.facet
  cross join lateral jsonb_array_elements_text(case jsonb_typeof(a.value) when 'array' then a.value else jsonb_build_array(a.value) end) as x(value)
  where x.value is not null and (a.kind = 'number' or (x.value <> '' and octet_length(x.value) <= 256))
), counted as (
  select m.store_id, m.category_id, v.code, v.kind, v.value, count(*) as n
  from audit_member m join value v on v.store_id = m.store_id and v.product_id = m.product_id group by 1, 2, 3, 4, 5
), numbered as (
  select *, row_number() over (partition by store_id, category_id, code order by n desc, value collate "C") as nth,
         sum(n) over (partition by store_id, category_id, code) as total from counted
)
select store_id, category_id, code,
       case kind
         when 'number' then jsonb_build_object('code', code, 'values', '[]'::jsonb, 'bounds', jsonb_build_array(
           min(value::float8) filter (where kind = 'number'), max(value::float8) filter (where kind = 'number')))
         else jsonb_build_object('code', code, 'values', jsonb_agg(jsonb_build_object('value', value, 'count', n) order by nth) filter (where nth <= 10))
       end as facet,
       row_number() over (partition by store_id, category_id order by total desc, code collate "C") as place
from numbered group by store_id, category_id, code, kind, total;
create index on audit_facet (store_id, category_id, place);
analyze audit_shown, audit_name, audit_member, audit_count, audit_card, audit_facet;
