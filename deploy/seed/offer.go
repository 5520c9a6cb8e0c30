package seed

import "sort"

// offers says whether the store sells the product: nine tenths of what is of its kind.
func (s *shop) offers(st *store, p *product) bool {
	if st.kind != departmentKind && st.kind != kinds[p.kind] {
		return false
	}
	d := s.dice(forOffer, st.id, p.id)
	return d.chance(90)
}

// offer is a product in a store, with the price of each variant that is sold there.
type offer struct {
	status string
	boost  float64
	lines  []line
}

type line struct {
	variant      int
	amount, list int64 // list is 0 without a discount
	remaining    int64 // in stock after all sales
	lowStockAt   int64
}

// marketPercent is what a euro price is multiplied by; in the last market it becomes pounds.
var marketPercent = [5]int64{100, 104, 98, 96, 86}

// offerOf makes the offer; lines is reused for its lines.
func (s *shop) offerOf(st *store, p *product, lines []line) offer {
	d := s.dice(forOffer, st.id, p.id)
	d.next() // the throw of offers
	o := offer{status: "active", boost: 1, lines: lines[:0]}
	if d.chance(3) {
		o.status = "paused"
	}
	if d.chance(4) {
		o.boost = 1.5
	}
	level := marketPercent[st.market] * d.between(95, 105)
	discount := int64(0)
	if d.chance(18) {
		discount = d.between(2, 8) * 5
	}
	for i := range p.variants {
		if i > 0 && d.chance(8) {
			continue // the store doesn't carry this one
		}
		l := line{variant: i, amount: charm(p.price * p.variants[i].percent / 100 * level / 10000)}
		if discount > 0 {
			l.list = l.amount
			l.amount = charm(l.amount * (100 - discount) / 100)
		}
		if l.list <= l.amount {
			l.list = 0
		}
		l.remaining, l.lowStockAt = remaining(&d)
		o.lines = append(o.lines, l)
	}
	return o
}

func remaining(d *dice) (units, lowStockAt int64) {
	if d.chance(70) {
		lowStockAt = 5
	}
	switch throw := d.n(100); {
	case throw < 6:
		return 0, lowStockAt
	case throw < 14:
		return d.between(1, 4), lowStockAt
	default:
		return d.between(6, 240), lowStockAt
	}
}

// charm rounds a price as shops do: to end in 9 below ten units of money, in 90 or 99 above.
func charm(amount int64) int64 {
	switch {
	case amount < 1000:
		return max(amount/10*10+9, 29)
	case amount < 5000:
		return amount/100*100 + 90
	default:
		return amount/100*100 + 99
	}
}

// salesWeights are cumulative Zipf weights in integers, so that no machine's floating point makes another shop.
func salesWeights(n int) []int64 {
	weights := make([]int64, n)
	sum := int64(0)
	for rank := range weights {
		sum += 1_000_000_000 / int64(rank+3)
		weights[rank] = sum
	}
	return weights
}

// popular throws for a place in an assortment of n products.
func (s *shop) popular(d *dice, n int) int {
	weights := s.weights[:n]
	throw := d.n(weights[n-1])
	return sort.Search(n, func(i int) bool { return weights[i] > throw })
}
