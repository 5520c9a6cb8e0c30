-- Every offer as its document must show it.
select o.store_id || ':' || o.product_id as key, jsonb_build_object(
  'status', o.status, 'boost', o.boost,
  'prices', coalesce((select jsonb_object_agg(r.sku, jsonb_build_object('amount', r.amount, 'list_amount', coalesce(r.list_amount, 0),
                        'valid_from', floor(extract(epoch from r.valid_from) * 1000000)::bigint, 'valid_to', floor(extract(epoch from r.valid_to) * 1000000)::bigint))
                      from prices r where r.store_id = o.store_id and r.product_id = o.product_id), '{}'),
  'stock', coalesce((select jsonb_object_agg(i.sku, jsonb_build_object('on_hand', i.on_hand, 'reserved', i.reserved, 'low_stock_at', i.low_stock_at))
                     from inventory i where i.store_id = o.store_id and i.product_id = o.product_id), '{}'),
  'passed', coalesce(d.passed, 0), 'edge', coalesce(d.edge, 0),
  'units', coalesce(s.units, 0), 'popularity', round((ln(1 + coalesce(s.score, 0)) / ln(2))::numeric, 4)) as document
from offers o left join audit_sales s on s.store_id = o.store_id and s.product_id = o.product_id
left join audit_date d on d.store_id = o.store_id and d.product_id = o.product_id
