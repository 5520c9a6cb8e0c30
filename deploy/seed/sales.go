package seed

import (
	"time"
)

// The sales history: how far it goes back, and how much older the receipts are.
const (
	history  = 90 * day
	received = 95 * day
)

type order struct {
	id, customer int64
	store        *store
	status       string
	placed       time.Time
	total        int64
	items        []item
}

type item struct {
	product  *product
	variant  int
	quantity int64
	amount   int64
}

func (o *order) cancelled() bool { return o.status == "cancelled" }

// ordersInTime calls yield with every order, the oldest first. The order is valid during the call only.
func (s *shop) ordersInTime(yield func(*order) bool) {
	var stores []*store // those that sell anything
	for i := range s.stores {
		if len(s.assortment[i]) > 0 {
			stores = append(stores, &s.stores[i])
		}
	}
	if len(stores) == 0 {
		return
	}
	o := &order{}
	var lines []line
	slot := history / time.Duration(s.cfg.Orders)
	for id := int64(1); id <= int64(s.cfg.Orders); id++ {
		d := s.dice(forOrder, id, 0)
		o.id, o.customer, o.store = id, d.between(1, s.customers), pick(&d, stores)
		o.placed = s.ago(history - time.Duration(id-1)*slot - time.Duration(d.n(int64(slot)))).Truncate(time.Millisecond)
		o.status = s.statusOf(o.placed, &d)
		o.items, o.total = o.items[:0], 0
		for range 1 + d.n(3) {
			lines = s.buy(o, &d, lines)
		}
		if !yield(o) {
			return
		}
	}
}

// buy adds an item, unless the order has it already.
func (s *shop) buy(o *order, d *dice, lines []line) []line {
	assortment := s.assortment[o.store.id-1]
	p := &s.products[assortment[s.popular(d, len(assortment))]]
	lines = s.offerOf(o.store, p, lines).lines
	l := pick(d, lines)
	quantity := int64(1)
	if d.chance(20) {
		quantity = d.between(2, 3)
	}
	for _, i := range o.items {
		if i.product == p && i.variant == l.variant {
			return lines
		}
	}
	o.items = append(o.items, item{p, l.variant, quantity, l.amount})
	o.total += quantity * l.amount
	return lines
}

func (s *shop) statusOf(placed time.Time, d *dice) string {
	age := s.cfg.Base.Sub(placed)
	switch {
	case d.chance(4):
		return "cancelled"
	case age < day:
		return "paid"
	case age < 4*day:
		return "shipped"
	default:
		return "delivered"
	}
}

// place is a variant in a store.
type place struct {
	store, product int64
	variant        int
}

// sales is what the history adds up to.
type sales struct {
	items     int64
	returned  int64           // items of cancelled orders
	shipped   int64           // orders that were sent
	delivered int64           // of those, orders that arrived
	sold      map[place]int64 // units, the cancelled included
	back      map[place]int64 // units of cancelled orders
}

func (s *shop) addUp() sales {
	sum := sales{sold: map[place]int64{}, back: map[place]int64{}}
	s.ordersInTime(func(o *order) bool {
		sum.items += int64(len(o.items))
		switch o.status {
		case "delivered":
			sum.delivered++
			sum.shipped++
		case "shipped":
			sum.shipped++
		}
		for _, i := range o.items {
			at := place{o.store.id, i.product.id, i.variant}
			sum.sold[at] += i.quantity
			if o.cancelled() {
				sum.returned++
				sum.back[at] += i.quantity
			}
		}
		return true
	})
	return sum
}
