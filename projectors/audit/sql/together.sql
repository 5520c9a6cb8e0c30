-- What is bought together with each product: of its newest 1,000 orders that were not called off, those that hold another
-- too; the 48 most frequent.
with basket as (
  select distinct o.id, o.placed_at, i.product_id from orders o join order_items i on i.order_id = o.id
  where o.status not in ('cancelled', 'expired') and i.status <> 'cancelled'
), ranked as (
  select *, row_number() over (partition by product_id order by placed_at desc, id desc) as n from basket
), pair as (
  select r.product_id, b.product_id as other, count(*) as orders,
         row_number() over (partition by r.product_id order by count(*) desc, b.product_id) as n
  from ranked r join basket b on b.id = r.id and b.product_id <> r.product_id where r.n <= 1000 group by 1, 2
)
select p.product_id::text as key, jsonb_build_object('orders', p.orders, 'pairs', coalesce(x.pairs, '{}')) as document
from (select product_id, count(*) as orders from basket group by 1) p
left join (select product_id, jsonb_object_agg(other::text, orders) as pairs from pair where n <= 48 group by 1) x using (product_id)
