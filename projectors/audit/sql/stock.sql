-- What the inventory says and what it should: the ledger's sum on hand, the active holds reserved, and never more reserved than there is.
-- Both sides are Postgres' own, of one instant.
select i.store_id || ':' || i.sku as key,
       jsonb_build_object('on_hand', coalesce(m.quantity, 0), 'reserved', coalesce(r.quantity, 0), 'oversold', 0) as document,
       jsonb_build_object('on_hand', i.on_hand, 'reserved', i.reserved, 'oversold', greatest(i.reserved - i.on_hand, -i.on_hand, 0)) as found
from inventory i
left join (select store_id, sku, sum(quantity)::bigint as quantity from stock_movements
           where kind in ('receipt', 'sale', 'return', 'adjustment') group by store_id, sku) m on m.store_id = i.store_id and m.sku = i.sku
left join (select store_id, sku, sum(quantity)::bigint as quantity from reservations
           where state = 'active' and (store_id, sku) in (select store_id, sku from inventory) group by store_id, sku) r on r.store_id = i.store_id and r.sku = i.sku
