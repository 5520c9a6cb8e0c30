package search

import (
	"encoding/json"
	"testing"
	"time"

	"freshet/ingest/change"
	"freshet/projectors/dimension"
	"freshet/projectors/view"
)

func fullView() *view.Offer {
	return &view.Offer{
		Version: 12, Store: 7, Product: 42, Visible: true, Boost: 1.5, Seller: 3, Brand: 2, BrandName: "Brenta", Type: "goods",
		GTIN: "4006381333931", CreatedAt: "2026-01-02T03:04:05.123456Z",
		Categories: []view.Category{{ID: 11, Position: 2}, {ID: 12}},
		Texts: []view.Text{
			{Lang: "en", Title: "Coffee machine", Slug: "coffee-machine", Description: "Makes coffee."},
			{Lang: "it", Title: "Macchina per il caffè", Slug: "macchina-caffe", Description: "Fa il caffè."},
		},
		Attributes: json.RawMessage(`{"colour":["rosso","nero"],"weight":1250.5,"organic":true,"material":"steel","unknown":"x","size":7}`),
		Images:     json.RawMessage(`[{"url":"https://img.example/42.jpg","alt":"front"}]`),
		Variants: []view.Variant{
			{SKU: "CM-42-R", GTIN: "4006381333948", Options: json.RawMessage(`{"colour":"rosso","size":"L"}`), Amount: 9900, ListAmount: 12900, Available: 2, LowStock: true},
			{SKU: "CM-42-N", Options: json.RawMessage(`{"colour":"nero","size":"M"}`), Amount: 10900},
		},
		Price: 9900, ListPrice: 12900, Available: 2, Units: 17, Popularity: 3.25,
		Source: change.Provenance{Position: change.Position{Commit: 0x16B374D848, Index: 3}, Time: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)},
	}
}

func TestFromView(t *testing.T) {
	dims := shop(5)
	hidden, deleted, bare := fullView(), fullView(), offerView(9, 1, "Bare")
	hidden.Visible = false
	deleted.Deleted = true
	for name, doc := range map[string]Document{
		"document":         FromView(fullView(), dims), // no German text: the English one
		"document-hidden":  FromView(hidden, dims),
		"document-deleted": FromView(deleted, dims),
		"document-bare":    FromView(bare, dims),
	} {
		golden(t, name, doc)
	}
}

func TestDocumentDependsOnNamesOfNothing(t *testing.T) {
	before := FromView(fullView(), shop(5))
	after := FromView(fullView(), dimension.NewSet(5, dimension.Rows{Stores: shop(5).Stores(), Attributes: shop(5).Attributes()}))
	a, errA := json.Marshal(before)
	b, errB := json.Marshal(after)
	if errA != nil || errB != nil || string(a) != string(b) {
		t.Errorf("without categories and brands:\n%s\nwith:\n%s", b, a)
	}
}

func TestMalformedAttributesStayOut(t *testing.T) {
	for _, raw := range []string{`null`, `[]`, `"x"`, `{broken`, `{"colour":{"a":1},"weight":"heavy","organic":"yes","size":[1,2]}`, `{"organic":null,"weight":[null],"colour":""}`} {
		doc := FromView(offerView(1, 1, "x", func(v *view.Offer) { v.Attributes = json.RawMessage(raw) }), shop(1))
		if len(doc.Facets)+len(doc.Filters) != 0 || len(doc.Numbers) != 0 {
			t.Errorf("%s: %v %v %v", raw, doc.Facets, doc.Filters, doc.Numbers)
		}
	}
}

func TestVersion(t *testing.T) {
	steps := []int64{Version(1, 0), Version(1, 1), Version(1, MaxDimensions), Version(2, 0), Version(1<<38, 7)}
	for i := 1; i < len(steps); i++ {
		if steps[i] <= steps[i-1] {
			t.Errorf("version %d after %d", steps[i], steps[i-1])
		}
	}
	if Version(1, MaxDimensions+5) != Version(1, MaxDimensions) {
		t.Error("the dimensions' version runs into the view's")
	}
}
