package read

import (
	"time"

	"freshet/projectors/view"
)

// current is what a variant costs now, by the rule that orders are placed by: outside the dates of its amount the list
// price holds, and without one it isn't sold. Dates pass without any row being written, so no document can say this.
func current(v *view.Variant, now time.Time) (price, list int64, sold bool) {
	if holds(v.ValidFrom, v.ValidTo, now) {
		return v.Amount, v.ListAmount, true
	}
	if v.ListAmount > 0 {
		return v.ListAmount, 0, true
	}
	return v.Amount, 0, false
}

// holds says whether now is from the first to before the second. A bound that is no time is none.
func holds(from, to string, now time.Time) bool {
	if t, err := time.Parse(time.RFC3339, from); err == nil && now.Before(t) {
		return false
	}
	if t, err := time.Parse(time.RFC3339, to); err == nil && !now.Before(t) {
		return false
	}
	return true
}

// headline sets what is shown for the whole page: the price of the cheapest variant to be had, else of the cheapest.
func (p *ProductPage) headline() {
	best := 0
	for i, v := range p.Variants {
		b := p.Variants[best]
		if v.InStock != b.InStock {
			if v.InStock {
				best = i
			}
			continue
		}
		if v.Price < b.Price {
			best = i
		}
	}
	p.Price, p.ListPrice, p.InStock = p.Variants[best].Price, p.Variants[best].ListPrice, p.Variants[best].InStock
	for _, v := range p.Variants {
		p.LowStock = p.LowStock || v.LowStock
	}
}
