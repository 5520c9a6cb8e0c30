package read

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
	p.Discount = p.Variants[best].Discount
	for _, v := range p.Variants {
		p.LowStock = p.LowStock || v.LowStock
	}
}

// discount is how many whole percent the price is below the list price. It is rounded down: what is promised is given.
func discount(price, list int64) int64 {
	if list <= price {
		return 0
	}
	return (list - price) * 100 / list
}
