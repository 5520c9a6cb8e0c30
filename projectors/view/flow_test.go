package view_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"sync"
	"testing"

	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"freshet/deploy/stack/stacktest"
	"freshet/ingest/change"
	"freshet/projectors"
	"freshet/projectors/catalog"
	"freshet/projectors/document"
	"freshet/projectors/offer"
	"freshet/projectors/view"
)

// sink is a topic and a reader of it that keeps the highest version of each view.
type sink struct {
	mu    sync.Mutex
	t     testing.TB
	limit int // bytes of a record, 0 for any
	count int
	shown map[string]view.Offer
	known map[string]string // id and version to the view, since equal versions must be equal views
}

func newSink(t testing.TB) *sink {
	return &sink{t: t, shown: map[string]view.Offer{}, known: map[string]string{}}
}

func (s *sink) Publish(_ context.Context, messages []projectors.Message) (map[string][]int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var oversize []int
	for i, m := range messages {
		if s.limit > 0 && len(m.Value) > s.limit {
			oversize = append(oversize, i)
		}
	}
	if oversize != nil {
		return nil, &projectors.OversizeError{Indexes: oversize, Limit: s.limit}
	}
	for _, m := range messages {
		var v view.Offer
		if err := json.Unmarshal(m.Value, &v); err != nil {
			return nil, err
		}
		if m.Topic != "p.view.offers" || string(m.Key) != fmt.Sprint(v.Store) {
			s.t.Errorf("view of store %d on %s with key %s", v.Store, m.Topic, m.Key)
		}
		id := offer.ID(v.Store, v.Product)
		versioned := fmt.Sprint(id, "@", v.Version)
		if was, ok := s.known[versioned]; ok && was != string(m.Value) {
			s.t.Errorf("two views of %s:\n%s\n%s", versioned, was, m.Value)
		}
		s.known[versioned] = string(m.Value)
		if v.Version > s.shown[id].Version {
			s.shown[id] = v
		}
		s.count++
	}
	return nil, nil
}

func (s *sink) get(store, product int64) view.Offer {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.shown[offer.ID(store, product)]
}

// flow is both projectors on one database.
type flow struct {
	db   *mongo.Database
	sink *sink
}

func newFlow(t testing.TB) *flow {
	t.Helper()
	uri, name := stacktest.Mongo(t)
	client, err := mongo.Connect(options.Client().ApplyURI(uri))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := client.Disconnect(context.Background()); err != nil {
			t.Error(err)
		}
	})
	f := &flow{db: client.Database(name), sink: newSink(t)}
	if err := errors.Join(catalog.EnsureIndexes(t.Context(), f.db), offer.EnsureIndexes(t.Context(), f.db)); err != nil {
		t.Fatal(err)
	}
	return f
}

func (f *flow) publisher() *view.Publisher {
	return view.NewPublisher(catalog.Open(f.db, document.Config{}), offer.Open(f.db, document.Config{}), f.sink, "p")
}

// catalog and offer return a worker of their own, as a generation gets one.
func (f *flow) catalog() projectors.Handler {
	return catalog.NewProjector(f.db, document.Config{}, f.publisher())
}

func (f *flow) offer() projectors.Handler {
	return offer.NewProjector(f.db, document.Config{}, f.publisher())
}

// record makes the record of an event; a row of op d is its key.
func record(op, table string, commit int, row string) projectors.Record {
	before, after := "null", row
	if op == "d" {
		before, after = after, before
	}
	return projectors.Record{
		Topic: "p.public." + table, Key: []byte("{}"),
		Value: []byte(`{"before":` + before + `,"after":` + after + `,"op":"` + op + `","source":{"schema":"public","table":"` + table + `","ts_us":1700000000123456}}`),
		Headers: []change.Header{
			{Key: change.HeaderCommitLSN, Value: fmt.Appendf(nil, "0/%X", commit)}, {Key: change.HeaderTxIndex, Value: []byte("1")},
		},
	}
}

func productRow(id, brand int64, status string) string {
	return fmt.Sprintf(`{"id":%d,"seller_id":1,"brand_id":%d,"type":"mug","status":"%s","gtin":null,"attributes":"{}","images":"[]","created_at":"2026-01-01T00:00:00.000000Z"}`, id, brand, status)
}

func textRow(product int64, title string) string {
	return fmt.Sprintf(`{"product_id":%d,"lang":"it","title":"%s","description":"","slug":"x"}`, product, title)
}

func variantRow(product int64) string {
	return fmt.Sprintf(`{"sku":"V%d","product_id":%d,"options":"{}","gtin":null}`, product, product)
}

func offerRow(store, product int64) string {
	return fmt.Sprintf(`{"store_id":%d,"product_id":%d,"status":"active","boost":1}`, store, product)
}

func priceRow(store, product, amount int64) string {
	return fmt.Sprintf(`{"store_id":%d,"sku":"V%d","product_id":%d,"amount":%d,"list_amount":null,"valid_from":null,"valid_to":null}`, store, product, product, amount)
}

func handle(t *testing.T, h projectors.Handler, records ...projectors.Record) {
	t.Helper()
	if err := h.Handle(t.Context(), records); err != nil {
		t.Fatal(err)
	}
}

func TestFlow(t *testing.T) {
	f := newFlow(t)
	c, o := f.catalog(), f.offer()
	handle(t, o, record("c", "offers", 3, offerRow(1, 7)), record("c", "prices", 4, priceRow(1, 7, 990)), record("c", "offers", 5, offerRow(2, 7)))
	if v := f.sink.get(1, 7); !v.Deleted || v.Version != 1 {
		t.Errorf("an offer without its product: %+v", v)
	}
	handle(t, c, record("c", "products", 1, productRow(7, 4, "active")), record("c", "product_texts", 2, textRow(7, "Tazza")), record("c", "variants", 2, variantRow(7)))
	if v := f.sink.get(1, 7); !v.Visible || v.Price != 990 || v.Texts[0].Title != "Tazza" || v.Version != 2 {
		t.Errorf("the product fans out to store 1: %+v", v)
	}
	if v := f.sink.get(2, 7); v.Visible || v.Deleted {
		t.Errorf("and to store 2, which has no price: %+v", v)
	}
	handle(t, c, record("c", "brands", 9, `{"id":4,"name":"Bialetti","slug":"b"}`))
	if v := f.sink.get(1, 7); v.BrandName != "Bialetti" {
		t.Errorf("a brand after its product: %+v", v)
	}
	handle(t, c, record("c", "products", 10, productRow(8, 4, "active")))
	handle(t, o, record("c", "offers", 11, offerRow(1, 8)))
	if v := f.sink.get(1, 8); v.BrandName != "Bialetti" {
		t.Errorf("a brand before its product: %+v", v)
	}
	count := f.sink.count
	handle(t, o, record("c", "offers", 3, offerRow(1, 7)))
	if f.sink.count != count+1 {
		t.Error("a repeated event must publish again")
	}
	handle(t, c, record("d", "products", 20, `{"id":7}`), projectors.Record{Topic: "p.public.products", Key: []byte("{}")})
	for store := int64(1); store <= 2; store++ {
		if v := f.sink.get(store, 7); !v.Deleted || v.Visible {
			t.Errorf("the deleted product in store %d: %+v", store, v)
		}
	}
	handle(t, c, record("u", "products", 19, productRow(7, 4, "active")))
	if v := f.sink.get(1, 7); !v.Deleted {
		t.Errorf("a late update brought the product back: %+v", v)
	}
}

// TestPoison expects nothing applied of a batch with a record that can't be, and everything of the rest.
func TestPoison(t *testing.T) {
	f := newFlow(t)
	for name, h := range map[string]projectors.Handler{"catalog": f.catalog(), "offer": f.offer()} {
		good := record("c", "products", 1, productRow(1, 0, "active"))
		if name == "offer" {
			good = record("c", "offers", 1, offerRow(1, 1))
		}
		bad := record("c", "orders", 1, `{"id":1}`)
		truncate := record("t", strings.TrimPrefix(good.Topic, "p.public."), 1, "null")
		poison, ok := projectors.AsPoison(h.Handle(t.Context(), []projectors.Record{good, bad, truncate}))
		if !ok || len(poison.Records) != 2 || f.sink.count > 0 {
			t.Errorf("%s: %v, %d views", name, poison, f.sink.count)
		}
		docs, err := f.db.Collection(name + "s").EstimatedDocumentCount(t.Context())
		if err != nil || docs > 0 {
			t.Errorf("%s: %d documents, %v", name, docs, err)
		}
	}
}

// TestAViewTooLargeIsParked expects the views beside it to be published, and its records to be named.
func TestAViewTooLargeIsParked(t *testing.T) {
	f := newFlow(t)
	f.sink.limit = 2000
	c, o := f.catalog(), f.offer()
	handle(t, o, record("c", "offers", 1, offerRow(1, 7)), record("c", "offers", 1, offerRow(1, 8)))
	err := c.Handle(t.Context(), []projectors.Record{
		record("c", "products", 2, productRow(7, 0, "active")), record("c", "products", 2, productRow(8, 0, "active")),
		record("c", "product_texts", 3, textRow(7, strings.Repeat("x", 3000))),
	})
	poison, ok := projectors.AsPoison(err)
	if !ok || len(poison.Records) != 2 {
		t.Fatalf("want the two records of product 7: %v", err)
	}
	if v := f.sink.get(1, 8); v.Version != 2 {
		t.Errorf("product 8 was not published: %+v", v)
	}
	err = o.Handle(t.Context(), []projectors.Record{record("u", "offers", 4, offerRow(1, 7)), record("u", "offers", 4, offerRow(1, 8))})
	if poison, ok := projectors.AsPoison(err); !ok || len(poison.Records) != 1 {
		t.Errorf("want the record of offer 1:7: %v", err)
	}
}

// TestALostValueIsReported moves a text between products without its description, which the log leaves out.
func TestALostValueIsReported(t *testing.T) {
	f := newFlow(t)
	c := f.catalog()
	moved := record("c", "product_texts", 3, textRow(8, "Tazza"))
	moved.Headers = append(moved.Headers, change.Header{Key: change.HeaderUnchanged, Value: []byte("description")})
	batch := []projectors.Record{record("c", "product_texts", 1, textRow(7, "Tazza")), record("d", "product_texts", 2, `{"product_id":7,"lang":"it"}`), moved}
	poison, ok := projectors.AsPoison(c.Handle(t.Context(), batch))
	if !ok || len(poison.Records) != 1 || !strings.Contains(poison.Error(), "write them again") {
		t.Fatalf("want the moved row: %v", poison)
	}
	docs, err := catalog.Open(f.db, document.Config{}).Load(t.Context(), []int64{8})
	if err != nil || docs[8].Texts[0].Title != "Tazza" {
		t.Errorf("the rest of the row must be stored: %+v, %v", docs[8], err)
	}
	handle(t, c, record("u", "product_texts", 4, textRow(8, "Tazza")))
	if err := c.Handle(t.Context(), batch); err != nil {
		t.Errorf("written again, it is whole: %v", err)
	}
}

// TestRacingWritersAndZombies lets two catalog workers and two offer workers, one of each pair a zombie that lags, deliver
// the same records with repetitions. At the end every sink must show what the documents say.
func TestRacingWritersAndZombies(t *testing.T) {
	const products, stores, rounds = 3, 2, 12
	f := newFlow(t)
	var c, o []projectors.Record
	commit := 0
	for n := range rounds {
		for p := int64(1); p <= products; p++ {
			commit++
			c = append(c, record("u", "products", commit, productRow(p, 1+int64(n)%3, "active")), record("u", "product_texts", commit, textRow(p, fmt.Sprint("T", n))), record("u", "variants", commit, variantRow(p)))
			for s := int64(1); s <= stores; s++ {
				o = append(o, record("u", "offers", commit, offerRow(s, p)), record("u", "prices", commit, priceRow(s, p, int64(n))))
			}
		}
		commit++
		c = append(c, record("u", "brands", commit, fmt.Sprintf(`{"id":%d,"name":"B%d","slug":"b"}`, 1+n%3, n)))
	}
	var wg sync.WaitGroup
	for i, records := range [][]projectors.Record{c, c, o, o} {
		h := f.catalog()
		if i >= 2 {
			h = f.offer()
		}
		rng := rand.New(rand.NewPCG(uint64(i), 1))
		wg.Go(func() {
			for next := 0; next < len(records); {
				end := min(len(records), next+1+rng.IntN(6))
				start := max(0, next-rng.IntN(6))
				if err := h.Handle(t.Context(), records[start:end]); err != nil {
					t.Error(err)
					return
				}
				next = end
			}
		})
	}
	wg.Wait()
	f.compare(t, products, stores)
	p, err := catalog.Open(f.db, document.Config{}).Load(t.Context(), []int64{1})
	if err != nil {
		t.Fatal(err)
	}
	if want := fmt.Sprint("B", rounds-1); p[1].Brand.Name != want || p[1].Texts[0].Title != fmt.Sprint("T", rounds-1) {
		t.Errorf("product 1: brand %+v, want %s", p[1].Brand, want)
	}
}

// compare checks that the sink shows the join of the documents as they are.
func (f *flow) compare(t *testing.T, products, stores int64) {
	t.Helper()
	for p := int64(1); p <= products; p++ {
		product, err := catalog.Open(f.db, document.Config{}).Load(t.Context(), []int64{p})
		if err != nil {
			t.Fatal(err)
		}
		for s := int64(1); s <= stores; s++ {
			o, err := offer.Open(f.db, document.Config{}).Load(t.Context(), []string{offer.ID(s, p)})
			if err != nil {
				t.Fatal(err)
			}
			want, got := view.Join(product[p], o[offer.ID(s, p)]), f.sink.get(s, p)
			wantJSON, err := json.Marshal(want)
			if err != nil {
				t.Fatal(err)
			}
			gotJSON, err := json.Marshal(got)
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(string(gotJSON), string(wantJSON)) {
				t.Errorf("store %d product %d shows %s\nthe documents say  %s", s, p, gotJSON, wantJSON)
			}
		}
	}
}

// TestBrandRace renames a brand while products take and leave it, again and again: neither may miss the other.
func TestBrandRace(t *testing.T) {
	f := newFlow(t)
	zero, one := f.catalog(), f.catalog()
	for n := range 40 {
		commit := 10 * (n + 1)
		var wg sync.WaitGroup
		wg.Go(func() {
			if err := zero.Handle(t.Context(), []projectors.Record{record("u", "brands", commit, fmt.Sprintf(`{"id":1,"name":"B%d","slug":"b"}`, n))}); err != nil {
				t.Error(err)
			}
		})
		wg.Go(func() {
			if err := one.Handle(t.Context(), []projectors.Record{record("u", "products", commit+n%2, productRow(1, int64(n)%2, "active"))}); err != nil {
				t.Error(err)
			}
		})
		wg.Wait()
		docs, err := catalog.Open(f.db, document.Config{}).Load(t.Context(), []int64{1})
		if err != nil {
			t.Fatal(err)
		}
		want := ""
		if n%2 == 1 {
			want = fmt.Sprint("B", n)
		}
		if got := docs[1].Brand.Name; got != want {
			t.Fatalf("round %d: brand %q, want %q", n, got, want)
		}
	}
}

// BenchmarkHandle stores new prices of 5,000 offers in batches and publishes their views.
func BenchmarkHandle(b *testing.B) {
	for _, size := range []int{10, 100, 1000} {
		b.Run(fmt.Sprint("batch=", size), func(b *testing.B) {
			const offers = 5000
			f := newFlow(b)
			c, o := f.catalog(), f.offer()
			var first []projectors.Record
			for p := range int64(offers) {
				first = append(first, record("c", "products", 1, productRow(p+1, 0, "active")), record("c", "variants", 1, variantRow(p+1)))
			}
			if err := c.Handle(b.Context(), first); err != nil {
				b.Fatal(err)
			}
			n := 0
			for b.Loop() {
				batch := make([]projectors.Record, size)
				for i := range batch {
					batch[i] = record("u", "prices", 2+n/offers, priceRow(1, int64(n%offers)+1, int64(n)))
					n++
				}
				if err := o.Handle(b.Context(), batch); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "events/s")
		})
	}
}

// BenchmarkFanOut stores new titles of products that four stores offer, 20,000 offers in all, and publishes their views.
func BenchmarkFanOut(b *testing.B) {
	const products, stores, size = 5000, 4, 100
	f := newFlow(b)
	c, o := f.catalog(), f.offer()
	for p := int64(1); p <= products; p += 500 {
		var rows, listed []projectors.Record
		for q := p; q < p+500; q++ {
			rows = append(rows, record("c", "products", 1, productRow(q, 0, "active")), record("c", "variants", 1, variantRow(q)))
			for s := range int64(stores) {
				listed = append(listed, record("c", "offers", 1, offerRow(s+1, q)), record("c", "prices", 1, priceRow(s+1, q, 990)))
			}
		}
		if err := errors.Join(c.Handle(b.Context(), rows), o.Handle(b.Context(), listed)); err != nil {
			b.Fatal(err)
		}
	}
	n := 0
	for b.Loop() {
		batch := make([]projectors.Record, size)
		for i := range batch {
			batch[i] = record("u", "product_texts", 2+n/products, textRow(int64(n%products)+1, "Tazza"))
			n++
		}
		if err := c.Handle(b.Context(), batch); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(n*stores)/b.Elapsed().Seconds(), "views/s")
}
