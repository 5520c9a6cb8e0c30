-- What the documents are computed from, by relational means alone: no code of the projectors takes part.
-- Session-local; dropped at commit.

create function pg_temp.micros(at timestamptz) returns bigint language sql stable as
$$ select (extract(epoch from at) * 1000000)::bigint $$;

-- Units sold, and their forward-decayed score: half-life 30 days, landmark 2020-01-01.
create temp table audit_sales on commit drop as
select store_id, product_id, sum(-quantity)::bigint as units,
       sum(-quantity * power(2::float8, extract(epoch from created_at - timestamptz '2020-01-01 00:00:00+00')::float8 / (30 * 86400))) as score
from stock_movements where kind = 'sale' group by store_id, product_id;
create unique index on audit_sales (store_id, product_id);

-- What each SKU costs at the time of this transaction, by the rule that orders are placed by: outside its dates the list
-- price holds, and without one it isn't sold.
create temp table audit_price on commit drop as
select r.store_id, r.product_id, r.sku,
       case when d.holds or l.list_amount = 0 then r.amount else l.list_amount end as amount,
       case when d.holds then l.list_amount else 0 end as list_amount,
       case when d.holds or l.list_amount > 0 then coalesce(i.on_hand - i.reserved, 0) else 0 end as available,
       coalesce(i.low_stock_at, 0) as low_stock_at
from prices r
left join inventory i on i.store_id = r.store_id and i.sku = r.sku
cross join lateral (select coalesce(r.list_amount, 0) as list_amount) l
cross join lateral (select (r.valid_from is null or r.valid_from <= now()) and (r.valid_to is null or now() < r.valid_to) as holds) d;

-- Where the offers' dates stand: the last that has come, and the next to come.
create temp table audit_date on commit drop as
select store_id, product_id,
       floor(extract(epoch from max(at) filter (where at <= now())) * 1000000)::bigint as passed,
       floor(extract(epoch from min(at) filter (where at > now())) * 1000000)::bigint as edge
from prices cross join lateral (values (valid_from), (valid_to)) as d(at)
where isfinite(at) group by store_id, product_id;
create unique index on audit_date (store_id, product_id);

-- What the published reviews of a product say.
create temp table audit_review on commit drop as
select product_id, count(*) as count, sum(rating)::bigint as sum, round(avg(rating), 1) as rating
from reviews where status = 'published' group by product_id;
create unique index on audit_review (product_id);

-- Offers a shopper can see, with what their cards show.
create temp table audit_visible on commit drop as
with shown as (
  select distinct on (store_id, product_id) store_id, product_id, amount, list_amount
  from audit_price order by store_id, product_id, (available > 0) desc, amount, sku
), total as (
  select store_id, product_id, sum(available)::bigint as available,
         bool_or(available > 0 and available <= low_stock_at) as low_stock
  from audit_price group by store_id, product_id
)
select o.store_id, o.product_id, s.amount as price, s.list_amount, t.available, t.low_stock, o.boost,
       coalesce(b.id, 0) as brand, coalesce(b.name, '') as brand_name, coalesce(p.images -> 0 ->> 'url', '') as image,
       coalesce(w.rating, 0) as rating, coalesce(w.count, 0) as reviews,
       round((ln(1 + coalesce(a.score, 0)) / ln(2))::numeric, 6)::float8 as popularity
from offers o
join products p on p.id = o.product_id
join shown s on s.store_id = o.store_id and s.product_id = o.product_id
join total t on t.store_id = o.store_id and t.product_id = o.product_id
left join brands b on b.id = p.brand_id
left join audit_review w on w.product_id = o.product_id
left join audit_sales a on a.store_id = o.store_id and a.product_id = o.product_id
where o.status = 'active' and p.status = 'active' and exists (select 1 from product_texts x where x.product_id = p.id);
create unique index on audit_visible (store_id, product_id);

-- Categories that are active up to the root, and for each all that stand above it, itself included.
create temp table audit_shown on commit drop as
with recursive down(id, tree_id, parent_id, slug, position, ids) as (
  select id, tree_id, parent_id, slug, position, array[id] from categories where parent_id is null and active
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

-- The title of a visible offer in each language of its store, closed ones included: the search documents of a closed store
-- stay, unread, so that it can open again at once.
create temp table audit_text on commit drop as
select v.store_id, v.product_id, f.lang, t.title, t.slug, t.description
from audit_visible v join stores s on s.id = v.store_id cross join lateral unnest(s.languages) as f(lang)
cross join lateral (select x.title, x.slug, x.description from product_texts x where x.product_id = v.product_id
                    order by (x.lang = f.lang) desc, (x.lang = 'en') desc, x.lang limit 1) t;
create unique index on audit_text (store_id, product_id, lang);

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
-- The attributes of a visible offer that the registry knows, of the product and of its priced variants, where the value is of
-- the type that the registry says: one value, or a list of which all are.
create temp table audit_attribute on commit drop as
select a.store_id, a.product_id, d.code, d.kind, d.numeric_slot, e.value
from (
  select v.store_id, v.product_id, p.attributes as object from audit_visible v join products p on p.id = v.product_id
  union all
  select r.store_id, r.product_id, x.options from prices r join variants x on x.sku = r.sku
) a
cross join lateral jsonb_each(a.object) e
join attribute_defs d on d.code = e.key
where case d.kind
  when 'boolean' then jsonb_typeof(e.value) = 'boolean'
  else jsonb_typeof(e.value) <> 'null' and not jsonb_path_exists(e.value, case d.kind when 'number'
    then '$[*] ? (@.type() != "number" && @.type() != "null")'::jsonpath else '$[*] ? (@.type() != "string" && @.type() != "null")'::jsonpath end)
end;
create index on audit_attribute (store_id, product_id);

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
analyze audit_attribute, audit_visible, audit_shown, audit_member, audit_count, audit_card, audit_text, audit_name;
