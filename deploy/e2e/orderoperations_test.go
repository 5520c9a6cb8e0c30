package e2e

import "fmt"

// Rows of orders that the statements work on; $1 is the salt that chooses.
const (
	anOrder   = "(select id from orders order by md5(id::text || $1) limit 1)"
	aLine     = "(select ctid from order_items order by md5(order_id || ':' || line || $1) limit 1)"
	aShipment = "(select ctid from shipments order by md5(id::text || $1) limit 1)"
)

// orderOperations write orders and all that hangs on them, also what no shop would do: lines that change their order, orders
// that change hands, rows that are deleted.
var orderOperations = []operation{
	{"order placed", 12, placed},
	{"order paid, shipped or cancelled", 6, func(n *nemesis) []statement {
		return one("update orders set status = (array['paid','shipped','delivered','cancelled','expired','refunded'])[$2], reason = left($3, 500), shipping_total = $2, tax_total = $2, version = version + 1 where id = "+anOrder,
			n.salt(), 1+n.rng.IntN(6), n.blob(500))
	}},
	{"order changes hands", 1, func(n *nemesis) []statement {
		return one("update orders set customer_id = (select id from customers order by md5(id || $1) limit 1), expires_at = null where id = "+anOrder, n.salt())
	}},
	{"line cancelled or returned", 4, func(n *nemesis) []statement {
		return one("update order_items set status = (array['placed','shipped','cancelled','returned'])[$2], reason = 'reason ' || $2 where ctid = "+aLine, n.salt(), 1+n.rng.IntN(4))
	}},
	{"line put into a parcel", 3, func(n *nemesis) []statement {
		return one("update order_items i set shipment_id = (select s.id from shipments s where s.order_id = i.order_id order by md5(s.id || $1) limit 1) where i.ctid = "+aLine, n.salt())
	}},
	{"line of another product", 1, func(n *nemesis) []statement {
		return one("update order_items set product_id = "+aProduct+" where ctid = (select ctid from order_items order by md5($1 || order_id || line) limit 1)", n.salt())
	}},
	{"line moved to another order", 1, func(n *nemesis) []statement {
		return one("update order_items set order_id = "+anOrder+", line = 100 + $2 where ctid = "+aLine, n.salt(), n.rng.IntN(800))
	}},
	{"line removed", 2, func(n *nemesis) []statement { return one("delete from order_items where ctid = "+aLine, n.salt()) }},
	{"order deleted", 1, func(n *nemesis) []statement {
		return one(`delete from orders where id = (select o.id from orders o where not exists (select from payments p where p.order_id = o.id)
			and not exists (select from shipments s where s.order_id = o.id) order by md5(o.id || $1) limit 1)`, n.salt())
	}},
	{"payment", 4, func(n *nemesis) []statement {
		return one("insert into payments (id, order_id, provider, reference, amount, currency) select $2::bigint, id, 'nemesis', $3, total, currency from orders where id = "+anOrder, n.salt(), n.id(), n.blob(n.rng.IntN(2400)))
	}},
	{"payment captured", 4, func(n *nemesis) []statement {
		return one("update payments set state = (array['authorized','captured','failed','voided','refunded'])[$2] where id = (select id from payments order by md5(id || $1) limit 1)", n.salt(), 1+n.rng.IntN(5))
	}},
	{"shipment", 3, func(n *nemesis) []statement {
		return one("insert into shipments (id, order_id, carrier, tracking, eta) select $2, id, $3, null, now() from orders where id = "+anOrder, n.salt(), n.id(), n.blob(n.rng.IntN(4000)))
	}},
	{"shipment scanned", 5, func(n *nemesis) []statement {
		salt := n.salt()
		return []statement{
			{sql: `insert into shipment_events (id, shipment_id, order_id, status, place, at) select $2::bigint, id, order_id, 'in_transit', 'place ' || $2::bigint, now()
				from shipments where ctid = ` + aShipment, args: []any{salt, n.id()}},
			{sql: "update shipments set status = 'in_transit', tracking = 'T' || $1 where ctid = " + aShipment, args: []any{salt}},
		}
	}},
	{"return", 2, func(n *nemesis) []statement {
		return one("insert into returns (id, order_id, line, quantity, reason) select $2, order_id, line, 1, $3 from order_items where ctid = "+aLine, n.salt(), n.id(), fmt.Sprintf("%.500s", n.blob(500)))
	}},
	{"return answered", 2, func(n *nemesis) []statement {
		return one("update returns set state = (array['approved','rejected','received','refunded'])[$2], note = left($3, 500) where id = (select id from returns order by md5(id || $1) limit 1)",
			n.salt(), 1+n.rng.IntN(4), n.blob(500))
	}},
	{"refund", 2, func(n *nemesis) []statement {
		return one(`insert into refunds (id, order_id, payment_id, amount) select $2, order_id, id, 1 + amount / 2 from payments
			order by md5(id || $1) limit 1`, n.salt(), n.id())
	}},
	{"refund done", 2, func(n *nemesis) []statement {
		return one("update refunds set state = (array['done','failed'])[$2], reason = left($3, 500) where id = (select id from refunds order by md5(id || $1) limit 1)",
			n.salt(), 1+n.rng.IntN(2), n.blob(500))
	}},
	{"return or refund removed", 1, func(n *nemesis) []statement {
		return []statement{
			{sql: "delete from refunds where id = (select id from refunds order by md5(id || $1) limit 1)", args: []any{n.salt()}},
			{sql: "delete from returns where id = (select r.id from returns r where not exists (select from refunds f where f.return_id = r.id) order by md5(r.id || $1) limit 1)", args: []any{n.salt()}},
		}
	}},
}

// placed makes an order of a customer with up to four lines, of few products so that many orders share them.
func placed(n *nemesis) []statement {
	id := n.id()
	return []statement{
		{sql: `insert into orders (id, customer_id, store_id, currency, total, placed_at, expires_at) select $2, (select id from customers order by md5(id || $1) limit 1),
			s.id, s.currency, $3, timestamptz '2026-01-01' + make_interval(mins => $4), now() from stores s where s.id = ` + aStore, args: []any{n.salt(), id, n.rng.Int64N(90000), n.rng.IntN(400000)}},
		{sql: `insert into order_items (order_id, line, sku, product_id, quantity, unit_amount) select $2::bigint, row_number() over (), v.sku, v.product_id, 1, $3::bigint
			from (select * from variants where product_id % 7 < 3 order by md5(sku || $1) limit $4) v`, args: []any{n.salt(), id, n.rng.Int64N(9000), 1 + n.rng.IntN(4)}},
	}
}
