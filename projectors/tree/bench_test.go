package tree

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"testing"

	"freshet/ingest/change"
	"freshet/projectors"
	"freshet/projectors/catalog"
	"freshet/projectors/offer"
	"freshet/projectors/view"
)

const (
	benchOffers     = 15_000
	benchCategories = 200
)

// bigWorld is store 7 with 200 categories: 8 at the top, 6 below each, 3 below each of those.
func bigWorld() (*world, []int64) {
	w := newWorld()
	clear(w.categories)
	var leaves []int64
	id := int64(0)
	add := func(parent int64) int64 {
		id++
		w.put(id, parent, id, true, fmt.Sprintf("Categoria numero %d", id))
		return id
	}
	for range 8 {
		top := add(0)
		for range 6 {
			middle := add(top)
			for range 3 {
				leaves = append(leaves, add(middle))
			}
		}
	}
	return w, leaves
}

func bigView(r *rand.Rand, product int64, leaves []int64) *view.Offer {
	v := offering(product, leaves[r.IntN(len(leaves))])
	if r.IntN(4) == 0 {
		v.Categories = append(v.Categories, view.Category{ID: leaves[r.IntN(len(leaves))]})
	}
	v.Texts = []view.Text{
		{Lang: "de", Title: fmt.Sprintf("Hartweizennudeln aus Apulien, 500 g, Nr. %d", product), Slug: fmt.Sprintf("hartweizennudeln-aus-apulien-%d", product)},
		{Lang: "it", Title: fmt.Sprintf("Pasta di grano duro pugliese, 500 g, n. %d", product), Slug: fmt.Sprintf("pasta-di-grano-duro-pugliese-%d", product)},
	}
	v.Images = json.RawMessage(fmt.Sprintf(`[{"url":"https://img.example/products/%d/front.jpg","alt":""}]`, product))
	v.Popularity = r.Float64() * 10
	v.BrandName = fmt.Sprintf("Marca %d", r.IntN(300))
	return v
}

// bigViews are the views of the big store.
func bigViews(leaves []int64) []*view.Offer {
	r := rand.New(rand.NewPCG(1, 2))
	views := make([]*view.Offer, benchOffers)
	for i := range views {
		views[i] = bigView(r, int64(i)+1, leaves)
	}
	return views
}

func bigState() (*state, []*view.Offer) {
	w, leaves := bigWorld()
	st, views := newState(w, 7), bigViews(leaves)
	for _, v := range views {
		st.Apply(v)
	}
	return st, views
}

// BenchmarkChange is what one change costs in memory: taking it in, and building the pages it touches in two languages.
func BenchmarkChange(b *testing.B) {
	for _, tc := range []struct {
		name   string
		change func(v *view.Offer, i int)
	}{
		{"price", func(v *view.Offer, i int) { v.Price = int64(i) }},
		{"units left", func(v *view.Offer, i int) { v.Available = int64(i) + 1 }},
		{"sold out", func(v *view.Offer, i int) { v.Available = int64(i/benchOffers) % 2 * 5 }},
	} {
		for _, batch := range []int{1, 100} {
			b.Run(fmt.Sprintf("%s/batch of %d", tc.name, batch), func(b *testing.B) {
				st, views := bigState()
				pages, written := shelf{}, 0
				if _, err := pages.store(st); err != nil {
					b.Fatal(err)
				}
				b.ResetTimer()
				for i := range b.N {
					v := views[i*7919%len(views)]
					v.Version++
					tc.change(v, i)
					st.Apply(v)
					if i%batch == batch-1 {
						n, err := pages.store(st)
						if err != nil {
							b.Fatal(err)
						}
						written += n
					}
				}
				b.ReportMetric(float64(written)/float64(b.N), "documents/op")
			})
		}
	}
}

// BenchmarkScratch builds all pages of a store in two languages.
func BenchmarkScratch(b *testing.B) {
	st, _ := bigState()
	for range b.N {
		st.replan(st.plan)
		writes, _, err := st.changes(true)
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(len(writes)), "documents")
	}
}

// BenchmarkStores holds stores of a usual size and a giant one side by side: what an offer occupies and what we believe it
// does, and what a change of a price costs, its pages included. A change must not cost more where there are more offers.
func BenchmarkStores(b *testing.B) {
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	for _, offers := range []int{benchOffers, 1_000_000} {
		b.Run(fmt.Sprintf("%d offers", offers), func(b *testing.B) {
			w, leaves := bigWorld()
			before, r := heap(), rand.New(rand.NewPCG(1, 2))
			st := newState(w, 7)
			for i := range offers {
				st.Apply(arrived(b, bigView(r, int64(i)+1, leaves)))
			}
			pages := shelf{}
			if _, err := pages.store(st); err != nil {
				b.Fatal(err)
			}
			clear(pages)
			held := float64(heap() - before)
			st.rescans = 0
			for i := 0; b.Loop(); i++ {
				if i%offers == 0 {
					r = rand.New(rand.NewPCG(1, 2)) // the same views once more, but for their price
				}
				v := bigView(r, int64(i%offers)+1, leaves)
				v.Version, v.Price = int64(i/offers)+2, int64(i)
				st.Apply(v)
				if _, err := pages.store(st); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(held/float64(offers), "B/offer")
			b.ReportMetric(float64(st.bytes)/float64(offers), "estimated-B/offer")
			b.ReportMetric(float64(st.rescans), "rescans")
		})
	}
}

// arrived is the view as it comes: decoded, so that strings are shared with nothing.
func arrived(b *testing.B, v *view.Offer) *view.Offer {
	b.Helper()
	raw, err := json.Marshal(v)
	if err != nil {
		b.Fatal(err)
	}
	v, err = decodeView(raw)
	if err != nil {
		b.Fatal(err)
	}
	return v
}

// BenchmarkRebuild rebuilds a store of 15,000 offers in 200 categories and two languages on the real server.
func BenchmarkRebuild(b *testing.B) {
	for _, grouped := range []bool{true, false} {
		b.Run(map[bool]string{true: "grouped", false: "plain"}[grouped], func(b *testing.B) {
			s := newShop(b, grouped)
			var leaves []int64
			s.world, leaves = bigWorld()
			s.fill(b, leaves)
			h := s.handler()
			s.handle(h, s.command(projectors.Rebuild))
			b.ResetTimer()
			for range b.N {
				s.handle(h, s.command(projectors.Rebuild))
			}
			b.StopTimer()
			r, err := s.store.Rebuilt(b.Context(), 7)
			if err != nil || r.Offers != benchOffers {
				b.Fatalf("%+v %v", r, err)
			}
			b.ReportMetric(float64(r.Documents), "documents")
		})
	}
}

// BenchmarkReload takes a store over whose documents are right: what the first touch after a restart costs.
func BenchmarkReload(b *testing.B) {
	s := newShop(b, true)
	var leaves []int64
	s.world, leaves = bigWorld()
	s.fill(b, leaves)
	s.handle(s.handler(), s.command(projectors.Dimensions))
	b.ResetTimer()
	for range b.N {
		s.handle(s.handler(), s.command(projectors.Dimensions))
	}
}

// BenchmarkHandle is one change of a price from the record to the durable pages.
func BenchmarkHandle(b *testing.B) {
	for _, tc := range []struct {
		batch   int
		grouped bool
	}{{1, true}, {1, false}, {100, true}, {100, false}} {
		batch := tc.batch
		b.Run(fmt.Sprintf("batch of %d/grouped %v", batch, tc.grouped), func(b *testing.B) {
			s := newShop(b, tc.grouped)
			var leaves []int64
			s.world, leaves = bigWorld()
			s.fill(b, leaves)
			h := s.handler()
			s.handle(h, s.command(projectors.Dimensions))
			all, before := bigViews(leaves), h.stats.Written
			b.ResetTimer()
			for i := range b.N {
				views := make([]*view.Offer, batch)
				for j := range views {
					views[j] = all[(i*batch+j)*7919%len(all)]
					views[j].Version, views[j].Price = int64(i+10), int64(i)
				}
				s.handle(h, s.views(views...))
			}
			b.ReportMetric(float64(h.stats.Written-before)/float64(b.N), "documents/op")
		})
	}
}

// fill stores the offers and products of the big views.
func (s *shop) fill(b *testing.B, leaves []int64) {
	b.Helper()
	var offers, products []any
	for id, v := range bigViews(leaves) {
		p := catalog.Product{
			ID: v.Product, Rev: 1, Row: catalog.Row{Pos: at, Status: "active", Type: "simple"}, Brand: catalog.Brand{ID: 1, Pos: at, Name: v.BrandName},
			Variants: []catalog.Variant{{SKU: "a", Pos: at, Options: json.RawMessage(`{}`)}}, Images: catalog.Images{Pos: at, Value: v.Images},
		}
		for _, t := range v.Texts {
			p.Texts = append(p.Texts, catalog.Text{Lang: t.Lang, Pos: at, Title: t.Title, Slug: t.Slug, Description: fmt.Sprintf("%0600d", id)})
		}
		for _, c := range v.Categories {
			p.Categories = append(p.Categories, catalog.Category{ID: c.ID, Pos: at})
		}
		o := offer.Offer{
			ID: offer.ID(7, v.Product), Rev: 1, Store: 7, Product: v.Product, Row: offer.Row{Pos: at, Status: "active", Boost: 1},
			Prices: []offer.Price{{SKU: "a", Pos: at, Amount: v.Price}}, Stock: []offer.Stock{{SKU: "a", Pos: at, OnHand: 5}},
			Sales: offer.Sales{Score: math.Exp2(v.Popularity) - 1}, Source: change.Provenance{Position: at},
		}
		offers, products = append(offers, o), append(products, p)
		if len(offers) == 500 {
			for name, docs := range map[string][]any{"offers": offers, "products": products} {
				if _, err := s.db.Collection(name).InsertMany(b.Context(), docs); err != nil {
					b.Fatal(err)
				}
			}
			offers, products = nil, nil
		}
	}
}
