-- Every order with all that hangs on it; times are microseconds since 1970, 0 for none; the times of states are listed as far as they are known.
select o.id::text as key, jsonb_build_object(
  'customer', o.customer_id, 'store', o.store_id, 'status', o.status, 'currency', o.currency, 'total', o.total,
  'shipping', o.shipping_total, 'tax', o.tax_total, 'reason', coalesce(o.reason, ''),
  'times', jsonb_strip_nulls(jsonb_build_object('paid', pg_temp.micros(o.paid_at), 'shipped', pg_temp.micros(o.shipped_at), 'delivered', pg_temp.micros(o.delivered_at),
    'cancelled', pg_temp.micros(o.cancelled_at), 'expired', pg_temp.micros(o.expired_at), 'refunded', pg_temp.micros(o.refunded_at))),
  'placed', pg_temp.micros(o.placed_at), 'expires', coalesce(pg_temp.micros(o.expires_at), 0),
  'lines', coalesce((select jsonb_object_agg(i.line::text, jsonb_build_object('sku', i.sku, 'product', i.product_id, 'quantity', i.quantity,
             'unit_amount', i.unit_amount, 'status', i.status,
             'shipment', coalesce(i.shipment_id, 0), 'reason', coalesce(i.reason, ''),
             'times', jsonb_strip_nulls(jsonb_build_object('cancelled', pg_temp.micros(i.cancelled_at))))) from order_items i where i.order_id = o.id), '{}'),
  'payments', coalesce((select jsonb_object_agg(p.id::text, jsonb_build_object('provider', p.provider, 'reference', coalesce(p.reference, ''),
                'state', p.state, 'amount', p.amount, 'currency', p.currency, 'created', pg_temp.micros(p.created_at),
                'times', jsonb_strip_nulls(jsonb_build_object('authorized', pg_temp.micros(p.authorized_at), 'captured', pg_temp.micros(p.captured_at),
                  'failed', pg_temp.micros(p.failed_at), 'voided', pg_temp.micros(p.voided_at), 'refunded', pg_temp.micros(p.refunded_at)))))
                from payments p where p.order_id = o.id), '{}'),
  'shipments', coalesce((select jsonb_object_agg(s.id::text, jsonb_build_object('carrier', s.carrier, 'tracking', coalesce(s.tracking, ''),
                 'status', s.status, 'eta', coalesce(pg_temp.micros(s.eta), 0),
                 'created', pg_temp.micros(s.created_at))) from shipments s where s.order_id = o.id), '{}'),
  'scans', coalesce((select jsonb_object_agg(e.id::text, jsonb_build_object('shipment', e.shipment_id, 'status', e.status, 'place', e.place,
             'at', pg_temp.micros(e.at))) from shipment_events e where e.order_id = o.id), '{}'),
  'returns', coalesce((select jsonb_object_agg(r.id::text, jsonb_build_object('line', r.line, 'quantity', r.quantity, 'reason', r.reason,
               'note', coalesce(r.note, ''), 'state', r.state, 'created', pg_temp.micros(r.created_at),
               'times', jsonb_strip_nulls(jsonb_build_object('approved', pg_temp.micros(r.approved_at), 'rejected', pg_temp.micros(r.rejected_at),
                 'received', pg_temp.micros(r.received_at), 'refunded', pg_temp.micros(r.refunded_at))))) from returns r where r.order_id = o.id), '{}'),
  'refunds', coalesce((select jsonb_object_agg(f.id::text, jsonb_build_object('payment', f.payment_id, 'return', coalesce(f.return_id, 0),
               'amount', f.amount, 'state', f.state, 'created', pg_temp.micros(f.created_at), 'reason', coalesce(f.reason, ''),
               'times', jsonb_strip_nulls(jsonb_build_object('done', pg_temp.micros(f.done_at), 'failed', pg_temp.micros(f.failed_at)))))
               from refunds f where f.order_id = o.id), '{}')) as document
from orders o
