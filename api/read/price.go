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
	for _, v := range p.Variants {
		p.LowStock = p.LowStock || v.LowStock
	}
}
