package search

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"freshet/projectors/dimension"
	"freshet/projectors/view"
)

// benchViews are n offers of a believable size: about 1.3 KB each as documents.
func benchViews(n int) []*view.Offer {
	r := rand.New(rand.NewPCG(1, 2))
	nouns := strings.Fields("scarpe bicchiere macchina tavolo sedia lampada pentola coltello maglia giacca borsa orologio tappeto cuscino libro penna")
	kinds := strings.Fields("classico sportivo elegante leggero robusto compatto grande piccolo rosso nero bianco verde")
	body := strings.Repeat("Fatto con cura da artigiani, con materiali scelti e garanzia di due anni. ", 8)
	views := make([]*view.Offer, n)
	for i := range views {
		views[i] = offerView(int64(i+1), 1, fmt.Sprintf("%s %s %d", nouns[r.IntN(len(nouns))], kinds[r.IntN(len(kinds))], i), func(v *view.Offer) {
			v.Texts[0].Description = body
			v.Brand, v.BrandName, v.Price = 1+r.Int64N(200), fmt.Sprintf("Marca %d", r.IntN(200)), 100+r.Int64N(100000)
			v.Available, v.Popularity = r.Int64N(4), 80*r.Float64()
			v.Categories = []view.Category{{ID: []int64{1, 2, 11, 12, 111}[r.IntN(5)]}}
			attributes := map[string]any{"colour": colours[r.IntN(4)], "size": sizes[r.IntN(3)], "weight": r.IntN(5000), "organic": r.IntN(2) == 0}
			v.Attributes, _ = json.Marshal(attributes)
			v.Variants = []view.Variant{{SKU: fmt.Sprintf("SKU-%d", i), GTIN: fmt.Sprintf("%013d", i)}}
		})
	}
	return views
}

func benchOps(b *testing.B, views []*view.Offer, alias string, dims *dimension.Set) []Op {
	ops := make([]Op, len(views))
	for i, v := range views {
		doc := FromView(v, dims)
		var err error
		if ops[i], err = doc.Op(alias); err != nil {
			b.Fatal(err)
		}
	}
	return ops
}

// BenchmarkIndex writes batches of 2000 documents with a refresh after each, as a worker that catches up does.
func BenchmarkIndex(b *testing.B) {
	client, prefix := server(b)
	views, alias := benchViews(2000), Alias(prefix)
	w := NewWriter(client, WriterConfig{})
	start := time.Now()
	for version := int64(1); b.Loop(); version++ {
		ops := benchOps(b, views, alias, shop(version))
		if _, err := w.Write(b.Context(), ops); err != nil {
			b.Fatal(err)
		}
		if err := w.Refresh(b.Context(), alias); err != nil {
			b.Fatal(err)
		}
	}
	c := w.Counts()
	b.ReportMetric(float64(c.Written)/time.Since(start).Seconds(), "docs/s")
	b.ReportMetric(float64(c.Bytes)/float64(c.Written), "B/doc")
}

// BenchmarkLanguages publishes rounds of offers in five languages, as one document each and as one for each language.
func BenchmarkLanguages(b *testing.B) {
	for _, apart := range []bool{false, true} {
		client, prefix := server(b)
		w, views, version := NewWriter(client, WriterConfig{RefreshEvery: time.Nanosecond}), benchViews(20000), int64(0)
		publish := func(b *testing.B, views []*view.Offer) {
			version++
			together := [][]string{Languages()}
			if apart {
				together = slices.Collect(slices.Chunk(Languages(), 1))
			}
			var ops []Op
			for _, v := range views {
				for _, langs := range together {
					doc := inLanguages(v, langs, shop(version))
					op, err := doc.Op(Alias(prefix))
					if err != nil {
						b.Fatal(err)
					}
					op.ID += ":" + langs[0]
					ops = append(ops, op)
				}
			}
			if _, err := w.Publish(b.Context(), ops); err != nil {
				b.Fatal(err)
			}
		}
		for round := range slices.Chunk(views, 1000) {
			publish(b, round)
		}
		for _, n := range []int{50, 500} {
			b.Run(fmt.Sprintf("apart=%t/offers=%d", apart, n), func(b *testing.B) {
				for b.Loop() {
					from := rand.IntN(len(views) - n)
					publish(b, views[from:from+n])
				}
			})
		}
	}
}

// BenchmarkSearch asks for pages of 24 hits with all eight facets in a store of 20,000 offers, one client.
func BenchmarkSearch(b *testing.B) {
	client, prefix := server(b)
	dims, w := shop(1), NewWriter(client, WriterConfig{})
	if _, err := w.Write(b.Context(), benchOps(b, benchViews(20000), Alias(prefix), dims)); err != nil {
		b.Fatal(err)
	}
	if err := w.Refresh(b.Context(), Alias(prefix)); err != nil {
		b.Fatal(err)
	}
	s := NewSearcher(client, SearcherConfig{Prefix: prefix})
	for name, q := range map[string]Query{
		"browse": query(func(q *Query) { q.Category = 1 }),
		"text":   query(func(q *Query) { q.Text = "scarpe sportive" }),
		"refined": query(func(q *Query) {
			q.Brands, q.Keywords, q.InStock = []int64{3, 4, 5}, map[string][]string{"colour": {"rosso", "nero"}, "size": {"M"}}, true
			q.PriceMax = ptr[int64](50000)
		}),
	} {
		q.Limit, q.Facets = 24, Facets(dims, 7, 0)
		b.Run(name, func(b *testing.B) {
			var took []time.Duration
			for b.Loop() {
				start := time.Now()
				if _, err := s.Search(b.Context(), q, dims); err != nil {
					b.Fatal(err)
				}
				took = append(took, time.Since(start))
			}
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "p50-ms")
			b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
		})
	}
}
