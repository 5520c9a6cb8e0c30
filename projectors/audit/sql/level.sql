-- How the SKUs of every offer stand. A level is left later than it is entered, so between the two bounds either is right.
select i.store_id || ':' || i.product_id as key, jsonb_build_object('pending', 0, 'levels', jsonb_object_agg(i.sku, jsonb_build_object('any_of',
  case when i.free <= 0 then '["out"]'::jsonb
       when i.free <= i.low_stock_at then case when i.free < (i.low_stock_at + 1) / 2 then '["low","out"]'::jsonb else '["low"]'::jsonb end
       when i.low_stock_at > 0 and i.free <= i.low_stock_at + greatest(1, i.low_stock_at / 2) then '["low","ok"]'::jsonb
       else '["ok"]'::jsonb end))) as document
from (select *, on_hand - reserved as free from inventory) i
group by i.store_id, i.product_id
