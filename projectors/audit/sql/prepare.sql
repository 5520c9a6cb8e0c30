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

-- The title of a visible offer in each language of its store, closed ones included: the search documents of a closed store
-- stay, unread, so that it can open again at once.
create temp table audit_text on commit drop as
select v.store_id, v.product_id, f.lang, t.title, t.slug, t.description
from audit_visible v join stores s on s.id = v.store_id cross join lateral unnest(s.languages) as f(lang)
cross join lateral (select x.title, x.slug, x.description from product_texts x where x.product_id = v.product_id
                    order by (x.lang = f.lang) desc, (x.lang = 'en') desc, x.lang limit 1) t;
create unique index on audit_text (store_id, product_id, lang);

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
analyze audit_visible, audit_text, audit_attribute;
