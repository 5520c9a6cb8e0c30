-- What each customer bought in their newest 200 orders that were not called off; a purchase weighs half after 90 days.
with ranked as (
  select id, customer_id, placed_at, row_number() over (partition by customer_id order by placed_at desc, id desc) as n,
         max(placed_at) over (partition by customer_id) as newest
  from orders where status not in ('cancelled', 'expired')
), bought as (
  select r.customer_id, i.product_id, sum(power(2::float8, -extract(epoch from r.newest - r.placed_at)::float8 / (90 * 86400))) as weight
  from ranked r join lateral (select distinct product_id from order_items i where i.order_id = r.id and i.status <> 'cancelled') i on true
  where r.n <= 200 group by 1, 2
), best as (
  select *, row_number() over (partition by customer_id order by round(weight::numeric, 6) desc, product_id) as n from bought
)
select customer_id::text as key, jsonb_build_object('bought', jsonb_object_agg(product_id::text, round(weight::numeric, 6))) as document
from best where n <= 48 group by customer_id
