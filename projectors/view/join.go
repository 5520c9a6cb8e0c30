package view

import (
	"math"

	"freshet/projectors/catalog"
	"freshet/projectors/offer"
)

// Join makes the view of an offer; either document may be nil when it does not exist yet.
func Join(p *catalog.Product, o *offer.Offer) Offer {
	var v Offer
	if o != nil {
		v.Store, v.Product, v.Version = o.Store, o.Product, o.Rev
		v.Boost, v.Units, v.Popularity = o.Row.Boost, o.Sales.Units, Popularity(o.Sales.Score)
		v.Source = o.Source
	}
	if p != nil {
		v.Product, v.Version = p.ID, v.Version+p.Rev
		v.Source = v.Source.Newest(p.Source)
	}
	v.Deleted = o == nil || o.Row.Pos.IsZero() || o.Row.Deleted || p == nil || p.Row.Pos.IsZero() || p.Row.Deleted
	if v.Deleted {
		return v
	}
	v.describe(p)
	v.stock(p, o)
	v.Visible = p.Live() && o.Live() && len(v.Variants) > 0 && len(v.Texts) > 0
	return v
}

// Popularity maps a decayed score to a scale that sinks can rank by: the binary logarithm, so that one half-life of
// recency and a doubling of sales weigh the same. 0 for nothing sold. Rounded to a millionth, so that the last bits of a
// sum of floats never decide an order.
func Popularity(score float64) float64 { return math.Round(math.Log2(1+score)*1e6) / 1e6 }

func (o *Offer) describe(p *catalog.Product) {
	o.Seller, o.Brand, o.BrandName = p.Row.SellerID, p.Row.BrandID, p.Brand.Name
	o.Type, o.GTIN, o.CreatedAt = p.Row.Type, p.Row.GTIN, p.Row.CreatedAt
	o.Attributes, o.Images = p.Attributes.Value, p.Images.Value
	for _, c := range p.Categories {
		if !c.Deleted {
			o.Categories = append(o.Categories, Category{ID: c.ID, Position: c.Position})
		}
	}
	for _, t := range p.Texts {
		if !t.Deleted {
			o.Texts = append(o.Texts, Text{Lang: t.Lang, Title: t.Title, Slug: t.Slug, Description: t.Description})
		}
	}
}

// stock lists the variants that have a price and sums up what they cost and how many there are.
func (o *Offer) stock(p *catalog.Product, of *offer.Offer) {
	stocks := make(map[string]offer.Stock, len(of.Stock))
	for _, s := range of.Stock {
		if !s.Deleted {
			stocks[s.SKU] = s
		}
	}
	prices := make(map[string]offer.Price, len(of.Prices))
	for _, pr := range of.Prices {
		if !pr.Deleted {
			prices[pr.SKU] = pr
		}
	}
	for _, va := range p.Variants {
		pr, priced := prices[va.SKU]
		if va.Deleted || !priced {
			continue
		}
		s := stocks[va.SKU]
		v := Variant{
			SKU: va.SKU, Options: va.Options, GTIN: va.GTIN, Amount: pr.Amount, ListAmount: pr.ListAmount,
			ValidFrom: pr.ValidFrom, ValidTo: pr.ValidTo, Available: s.OnHand - s.Reserved,
		}
		v.LowStock = v.Available > 0 && v.Available <= s.LowStockAt
		o.Variants = append(o.Variants, v)
		o.Available += v.Available
	}
	o.cheapest()
}

// cheapest takes the price shown for the whole offer: that of the cheapest variant to be had, else of the cheapest.
func (o *Offer) cheapest() {
	best := -1
	for i, v := range o.Variants {
		if best < 0 {
			best = i
			continue
		}
		b := o.Variants[best]
		if have, had := v.Available > 0, b.Available > 0; have != had {
			if have {
				best = i
			}
			continue
		}
		if v.Amount < b.Amount {
			best = i
		}
	}
	if best >= 0 {
		o.Price, o.ListPrice = o.Variants[best].Amount, o.Variants[best].ListAmount
	}
}
