package view

import (
	"cmp"
	"math"
	"slices"

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
	for _, t := range p.Reviews {
		o.Reviews.Count, o.Reviews.Sum = o.Reviews.Count+t.Count, o.Reviews.Sum+t.Sum
	}
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

// stock lists the variants that have a price and sums up what they cost and how many are to be had, as of the moment that
// the offer's document is of.
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
	now := of.AsOf()
	var costs []cost
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
		c := cost{}
		var sold bool
		c.price, c.list, sold = pr.At(now)
		if c.had = sold && v.Available > 0; c.had {
			v.LowStock = v.Available <= s.LowStockAt
			o.Available += v.Available
		}
		o.Variants, costs = append(o.Variants, v), append(costs, c)
	}
	if len(costs) > 0 {
		best := slices.MinFunc(costs, cost.compare)
		o.Price, o.ListPrice = best.price, best.list
	}
}

// cost is what a variant costs, and whether it is to be had.
type cost struct {
	price, list int64
	had         bool
}

// compare puts first what is shown for the whole offer: the cheapest variant to be had, else the cheapest.
func (c cost) compare(d cost) int {
	if c.had != d.had {
		if c.had {
			return -1
		}
		return 1
	}
	return cmp.Compare(c.price, d.price)
}
