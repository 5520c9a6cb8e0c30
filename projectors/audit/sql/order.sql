-- Every order with all that hangs on it; times are microseconds since 1970, 0 for none.
select o.id::text as key, jsonb_build_object(
  'customer', o.customer_id, 'store', o.store_id, 'status', o.status, 'currency', o.currency, 'total', o.total,
  'placed', (extract(epoch from o.placed_at) * 1000000)::bigint, 'expires', coalesce((extract(epoch from o.expires_at) * 1000000)::bigint, 0),
  'lines', coalesce((select jsonb_object_agg(i.line::text, jsonb_build_object('sku', i.sku, 'product', i.product_id, 'quantity', i.quantity,
             'unit_amount', i.unit_amount, 'status', i.status,
             'shipment', coalesce(i.shipment_id, 0))) from order_items i where i.order_id = o.id), '{}'),
  'payments', coalesce((select jsonb_object_agg(p.id::text, jsonb_build_object('provider', p.provider, 'reference', coalesce(p.reference, ''),
                'state', p.state, 'amount', p.amount, 'currency', p.currency, 'created', (extract(epoch from p.created_at) * 1000000)::bigint))
                from payments p where p.order_id = o.id), '{}'),
  'shipments', coalesce((select jsonb_object_agg(s.id::text, jsonb_build_object('carrier', s.carrier, 'tracking', coalesce(s.tracking, ''),
                 'status', s.status, 'eta', coalesce((extract(epoch from s.eta) * 1000000)::bigint, 0),
                 'created', (extract(epoch from s.created_at) * 1000000)::bigint)) from shipments s where s.order_id = o.id), '{}'),
  'scans', coalesce((select jsonb_object_agg(e.id::text, jsonb_build_object('shipment', e.shipment_id, 'status', e.status, 'place', e.place,
             'at', (extract(epoch from e.at) * 1000000)::bigint)) from shipment_events e where e.order_id = o.id), '{}'),
  'returns', coalesce((select jsonb_object_agg(r.id::text, jsonb_build_object('line', r.line, 'quantity', r.quantity, 'reason', r.reason,
               'note', coalesce(r.note, ''), 'state', r.state, 'created', (extract(epoch from r.created_at) * 1000000)::bigint)) from returns r where r.order_id = o.id), '{}'),
  'refunds', coalesce((select jsonb_object_agg(f.id::text, jsonb_build_object('payment', f.payment_id, 'return', coalesce(f.return_id, 0),
               'amount', f.amount, 'state', f.state, 'created', (extract(epoch from f.created_at) * 1000000)::bigint))
               from refunds f where f.order_id = o.id), '{}')) as document
from orders o
