package view_test

import (
	"testing"
	"time"

	"freshet/ingest/change"
	"freshet/projectors/catalog"
	"freshet/projectors/offer"
	"freshet/projectors/view"
)

var some = change.Position{Commit: 1, Index: 1}

func mug() *catalog.Product {
	return &catalog.Product{
		ID: 7, Rev: 5, Row: catalog.Row{Pos: some, Status: "active", SellerID: 3, BrandID: 4}, Brand: catalog.Brand{ID: 4, Name: "Bialetti"}, Reviews: []catalog.Tally{{Part: 1, Rev: 9, Count: 3, Sum: 12}, {Part: 4, Rev: 1, Count: 1, Sum: 5}},
		Texts:      []catalog.Text{{Lang: "de", Title: "Becher"}, {Lang: "en", Title: "Mug", Deleted: true}, {Lang: "it", Title: "Tazza"}},
		Variants:   []catalog.Variant{{SKU: "A"}, {SKU: "B"}, {SKU: "C"}, {SKU: "D", Deleted: true}},
		Categories: []catalog.Category{{ID: 1}, {ID: 2, Deleted: true}},
	}
}

func listed() *offer.Offer {
	return &offer.Offer{
		ID: "1:7", Rev: 3, Store: 1, Product: 7, Row: offer.Row{Pos: some, Status: "active", Boost: 1.5}, Sales: offer.Sales{Units: 9, Score: 2},
		Prices: []offer.Price{{SKU: "A", Amount: 500}, {SKU: "B", Amount: 900, ListAmount: 1000}, {SKU: "C", Amount: 100, Deleted: true}, {SKU: "D", Amount: 1}},
		Stock:  []offer.Stock{{SKU: "A", OnHand: 2, Reserved: 2, LowStockAt: 1}, {SKU: "B", OnHand: 9, Reserved: 4, LowStockAt: 6}, {SKU: "C", OnHand: 50}},
	}
}

func TestJoin(t *testing.T) {
	v := view.Join(mug(), listed())
	if v.Version != 8 || !v.Visible || v.Deleted || v.Store != 1 || v.Product != 7 || v.BrandName != "Bialetti" || v.Reviews != (view.Reviews{Count: 4, Sum: 17}) || v.Units != 9 {
		t.Errorf("%+v", v)
	}
	if len(v.Variants) != 2 || len(v.Texts) != 2 || len(v.Categories) != 1 {
		t.Errorf("deleted sections and variants without a price must be left out: %+v", v)
	}
	if v.Price != 900 || v.ListPrice != 1000 || v.Available != 5 || !v.InStock() || v.Variants[0].LowStock || !v.Variants[1].LowStock {
		t.Errorf("the price is of the cheapest to be had, and none left is not low: %+v", v)
	}
	if v.Popularity != 1.584963 {
		t.Errorf("popularity of score 2 is log2(3) to a millionth, got %v", v.Popularity)
	}
}

func TestJoinHides(t *testing.T) {
	for name, c := range map[string]struct {
		change           func(*catalog.Product, *offer.Offer)
		deleted, visible bool
	}{
		"nothing":         {func(*catalog.Product, *offer.Offer) {}, false, true},
		"product draft":   {func(p *catalog.Product, _ *offer.Offer) { p.Row.Status = "draft" }, false, false},
		"offer paused":    {func(_ *catalog.Product, o *offer.Offer) { o.Row.Status = "paused" }, false, false},
		"no price":        {func(_ *catalog.Product, o *offer.Offer) { o.Prices = nil }, false, false},
		"no text":         {func(p *catalog.Product, _ *offer.Offer) { p.Texts = nil }, false, false},
		"product deleted": {func(p *catalog.Product, _ *offer.Offer) { p.Row.Deleted = true }, true, false},
		"product not yet": {func(p *catalog.Product, _ *offer.Offer) { p.Row = catalog.Row{} }, true, false},
		"offer deleted":   {func(_ *catalog.Product, o *offer.Offer) { o.Row.Deleted = true }, true, false},
		"offer not yet":   {func(_ *catalog.Product, o *offer.Offer) { o.Row = offer.Row{} }, true, false},
	} {
		p, o := mug(), listed()
		c.change(p, o)
		if v := view.Join(p, o); v.Deleted != c.deleted || v.Visible != c.visible || v.Version != 8 {
			t.Errorf("%s: deleted %t, visible %t, version %d", name, v.Deleted, v.Visible, v.Version)
		}
	}
	if v := view.Join(nil, listed()); !v.Deleted || v.Version != 3 || v.Product != 7 {
		t.Errorf("without a product: %+v", v)
	}
	if v := view.Join(mug(), nil); !v.Deleted || v.Version != 5 || v.Product != 7 {
		t.Errorf("without an offer: %+v", v)
	}
}

func TestRatingIsRoundedAsAWholeNumber(t *testing.T) {
	for want, r := range map[float64]view.Reviews{0: {}, 5: {Count: 1, Sum: 5}, 4.3: {Count: 4, Sum: 17}, 3.7: {Count: 3, Sum: 11}, 4.4: {Count: 20, Sum: 87}} {
		if got := r.Rating(); got != want {
			t.Errorf("%+v: %v, want %v", r, got, want)
		}
	}
}

func TestTextIn(t *testing.T) {
	v := view.Offer{Texts: []view.Text{{Lang: "de", Title: "Becher"}, {Lang: "en", Title: "Mug"}, {Lang: "it", Title: "Tazza"}}}
	for want, langs := range map[string][]string{"Tazza": {"fr", "it"}, "Mug": {"fr"}, "Becher": {"de", "it"}} {
		if got := v.TextIn(langs...).Title; got != want {
			t.Errorf("%v: %q, want %q", langs, got, want)
		}
	}
	if got := (&view.Offer{Texts: v.Texts[:1]}).TextIn("fr").Title; got != "Becher" {
		t.Errorf("the first by code when there is no English: %q", got)
	}
	if got := (&view.Offer{}).TextIn("it"); got != (view.Text{}) {
		t.Errorf("no text: %+v", got)
	}
}

// TestJoinPricesAsOfTheOffer moves the moment that the offer is of over the dates of its prices.
func TestJoinPricesAsOfTheOffer(t *testing.T) {
	o := listed()
	o.Prices = []offer.Price{
		{SKU: "A", Amount: 500, ListAmount: 700, ValidFrom: "2026-05-01T00:00:00Z", ValidTo: "2026-05-03T00:00:00Z"},
		{SKU: "B", Amount: 600, ValidTo: "2026-05-02T00:00:00Z"},
	}
	o.Stock = []offer.Stock{{SKU: "A", OnHand: 2}, {SKU: "B", OnHand: 9, LowStockAt: 9}}
	for _, c := range []struct {
		day, price, list, available int64
		low                         bool
	}{
		{0, 600, 0, 11, true},   // A's offer has not begun
		{1, 500, 700, 11, true}, // both hold
		{2, 500, 700, 2, false}, // B isn't sold any more
		{3, 700, 0, 2, false},   // A is back at its list price
		{400, 700, 0, 2, false}, // for good
	} {
		o.Passed = time.Date(2026, 4, 30, 0, 0, 0, 0, time.UTC).AddDate(0, 0, int(c.day)).UnixMicro()
		v := view.Join(mug(), o)
		if v.Price != c.price || v.ListPrice != c.list || v.Available != c.available || v.Variants[1].LowStock != c.low || !v.Visible {
			t.Errorf("day %d: %d instead of %d, %d to be had, %+v", c.day, v.Price, v.ListPrice, v.Available, v.Variants)
		}
	}
}
