package seed

import "time"

// actor is who moved the stock, in the ledger.
const actor = "seed"

// stockTables are what an offer brings, and the orders that took from it.
func (s *shop) stockTables() []table {
	sum := s.addUp()
	offers, lines, receipts := s.countOffers(sum)
	return append([]table{
		{
			name: "offers", columns: columns("store_id", "product_id", "status", "boost", "created_at"), total: offers, offer: true,
			rows: s.eachOffer(func(st *store, p *product, o offer, yield func(...any) bool) bool {
				return yield(st.id, p.id, o.status, o.boost, p.created)
			}),
		},
		{
			name: "prices", columns: columns("store_id", "sku", "product_id", "amount", "list_amount"), total: lines, offer: true,
			rows: s.eachLine(func(st *store, p *product, l line, yield func(...any) bool) bool {
				return yield(st.id, p.variants[l.variant].sku, p.id, l.amount, orNull(l.list))
			}),
		},
		{
			name: "inventory", columns: columns("store_id", "sku", "product_id", "on_hand", "low_stock_at"), total: lines, offer: true,
			rows: s.eachLine(func(st *store, p *product, l line, yield func(...any) bool) bool {
				back := sum.back[place{st.id, p.id, l.variant}]
				return yield(st.id, p.variants[l.variant].sku, p.id, l.remaining+back, l.lowStockAt)
			}),
		},
		// One COPY for the whole ledger would be as good, but orders come between: the sales name them.
		{name: "stock_movements", columns: movementColumns, total: receipts, offer: true, rows: s.receiptRows(sum)},
	}, s.orderTables(sum, receipts)...)
}

var movementColumns = columns("id", "store_id", "sku", "product_id", "kind", "quantity", "order_id", "reverses", "reason", "actor", "created_at")

// received is what a line needs to have had at the start, so that every sale finds it.
func (sum *sales) received(st *store, p *product, l line) int64 {
	return l.remaining + sum.sold[place{st.id, p.id, l.variant}]
}

func (s *shop) receiptRows(sum sales) func(func([]any) bool) {
	id := int64(0)
	return s.eachLine(func(st *store, p *product, l line, yield func(...any) bool) bool {
		quantity := sum.received(st, p, l)
		if quantity == 0 {
			return true
		}
		id++
		return yield(id, st.id, p.variants[l.variant].sku, p.id, "receipt", quantity, nil, nil, "opening stock", actor, s.ago(received))
	})
}

func (s *shop) countOffers(sum sales) (offers, lines, receipts int64) {
	s.walk(func(st *store, p *product, o offer) bool {
		offers++
		lines += int64(len(o.lines))
		for _, l := range o.lines {
			if sum.received(st, p, l) > 0 {
				receipts++
			}
		}
		return true
	})
	return offers, lines, receipts
}

// walk visits every offer, by store and product.
func (s *shop) walk(visit func(*store, *product, offer) bool) {
	var lines []line
	for i := range s.stores {
		for j := range s.products {
			if !s.offers(&s.stores[i], &s.products[j]) {
				continue
			}
			o := s.offerOf(&s.stores[i], &s.products[j], lines)
			lines = o.lines
			if !visit(&s.stores[i], &s.products[j], o) {
				return
			}
		}
	}
}

func (s *shop) eachOffer(rows func(*store, *product, offer, func(...any) bool) bool) func(func([]any) bool) {
	return func(yield func([]any) bool) {
		s.walk(func(st *store, p *product, o offer) bool {
			return rows(st, p, o, func(row ...any) bool { return yield(row) })
		})
	}
}

func (s *shop) eachLine(rows func(*store, *product, line, func(...any) bool) bool) func(func([]any) bool) {
	return s.eachOffer(func(st *store, p *product, o offer, yield func(...any) bool) bool {
		for _, l := range o.lines {
			if !rows(st, p, l, yield) {
				return false
			}
		}
		return true
	})
}

// orderTables are the orders of the history with all that hangs on them.
func (s *shop) orderTables(sum sales, receipts int64) []table {
	orders := int64(s.cfg.Orders)
	return []table{
		{
			name: "orders", total: orders,
			columns: columns("id", "customer_id", "store_id", "status", "currency", "total", "placed_at", "paid_at", "shipped_at", "delivered_at", "cancelled_at", "reason"),
			rows: s.eachOrder(func(o *order, yield func(...any) bool) bool {
				t := s.moments(o)
				return yield(o.id, o.customer, o.store.id, o.status, o.store.currency, o.total, o.placed, t.paid, t.shipped, t.delivered, t.cancelled, t.reason)
			}),
		},
		{
			name: "order_items", columns: columns("order_id", "line", "sku", "product_id", "quantity", "unit_amount", "status", "cancelled_at"), total: sum.items,
			rows: s.eachOrder(s.itemRows),
		},
		{
			name: "payments", total: orders,
			columns: columns("id", "order_id", "provider", "reference", "state", "amount", "currency", "pays", "created_at", "captured_at", "voided_at"),
			rows: s.eachOrder(func(o *order, yield func(...any) bool) bool {
				state, t := "captured", s.moments(o)
				if o.cancelled() {
					state = "voided"
				}
				return yield(o.id, o.id, "demo", "seed-"+itoa(o.id), state, o.total, o.store.currency, !o.cancelled(), o.placed.Add(time.Minute), t.paid, t.cancelled)
			}),
		},
		{name: "shipments", columns: columns("id", "order_id", "carrier", "tracking", "status", "eta", "created_at"), total: sum.shipped, rows: s.shipmentRows()},
		{
			name: "shipment_events", columns: columns("id", "shipment_id", "order_id", "status", "place", "at"), total: sum.shipped + sum.delivered,
			rows: s.shipmentEventRows(),
		},
		{name: "stock_movements", columns: movementColumns, total: sum.items + sum.returned, offer: true, rows: s.saleRows(receipts)},
	}
}

func (s *shop) itemRows(o *order, yield func(...any) bool) bool {
	status := map[string]string{"paid": "placed", "cancelled": "cancelled"}[o.status]
	if status == "" {
		status = "shipped"
	}
	cancelled := s.moments(o).cancelled
	for i, it := range o.items {
		if !yield(o.id, int32(i+1), it.product.variants[it.variant].sku, it.product.id, it.quantity, it.amount, status, cancelled) {
			return false
		}
	}
	return true
}

// moments are when an order came to its states, and why it was cancelled.
type moments struct {
	paid, shipped, delivered, cancelled *time.Time
	reason                              *string
}

func (s *shop) moments(o *order) (m moments) {
	at := func(after time.Duration) *time.Time {
		t := earlier(o.placed.Add(after), s.cfg.Base)
		return &t
	}
	if o.cancelled() {
		reason := "ordered by mistake"
		m.cancelled, m.reason = at(time.Hour), &reason
		return m
	}
	m.paid = at(time.Minute)
	if o.status != "paid" {
		m.shipped = at(day)
	}
	if o.status == "delivered" {
		m.delivered = at(3 * day)
	}
	return m
}

// saleRows continue the ledger after its receipts; a cancelled order's goods come back an hour later.
func (s *shop) saleRows(receipts int64) func(func([]any) bool) {
	id := receipts
	return s.eachOrder(func(o *order, yield func(...any) bool) bool {
		for _, it := range o.items {
			id++
			sku := it.product.variants[it.variant].sku
			if !yield(id, o.store.id, sku, it.product.id, "sale", -it.quantity, o.id, nil, nil, actor, o.placed) {
				return false
			}
			if !o.cancelled() {
				continue
			}
			id++
			if !yield(id, o.store.id, sku, it.product.id, "return", it.quantity, o.id, id-1, "order cancelled", actor, earlier(o.placed.Add(time.Hour), s.cfg.Base)) {
				return false
			}
		}
		return true
	})
}

func (s *shop) eachOrder(rows func(*order, func(...any) bool) bool) func(func([]any) bool) {
	return func(yield func([]any) bool) {
		s.ordersInTime(func(o *order) bool {
			return rows(o, func(row ...any) bool { return yield(row) })
		})
	}
}

func earlier(a, b time.Time) time.Time {
	if a.After(b) {
		return b
	}
	return a
}
