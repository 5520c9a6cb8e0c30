package index

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"freshet/deploy/stack/stacktest"
	"freshet/ingest/change"
	"freshet/projectors"
	"freshet/projectors/catalog"
	"freshet/projectors/dimension"
	"freshet/projectors/document"
	"freshet/projectors/offer"
	"freshet/projectors/view"
	"freshet/search"
)

// source is dimensions by hand: what is refreshed is what next says.
type source struct {
	mu        sync.Mutex
	set, next *dimension.Set
	refreshes int
}

func (s *source) Get() *dimension.Set {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.set
}

func (s *source) Refresh(context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refreshes++
	s.set = s.next
	return nil
}

// rig is a handler on real servers.
type rig struct {
	*Handler
	t        *testing.T
	dims     *source
	address  string
	offset   int64
	products *document.Collection[int64, catalog.Product]
	offers   *document.Collection[string, offer.Offer]
}

func newRig(t *testing.T) *rig {
	address, prefix := stacktest.Elastic(t)
	client, err := search.Open([]string{address})
	if err != nil {
		t.Fatal(err)
	}
	if err := (&search.Indices{Client: client, Prefix: prefix}).Ensure(t.Context()); err != nil {
		t.Fatal(err)
	}
	db := database(t)
	dims := &source{}
	dims.set = set(1, []string{"it", "en"}, attribute("colour", -1))
	dims.next = dims.set
	cfg, err := Config{Prefix: prefix, DimensionWait: 50 * time.Millisecond}.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	return &rig{
		Handler: newHandler(cfg, NewStore(db, document.Config{}), search.NewWriter(client, search.WriterConfig{}), dims, 0),
		t:       t, dims: dims, address: address, products: catalog.Open(db, document.Config{}), offers: offer.Open(db, document.Config{}),
	}
}

func database(t *testing.T) *mongo.Database {
	t.Helper()
	uri, name := stacktest.Mongo(t)
	m, err := mongo.Connect(options.Client().ApplyURI(uri))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Disconnect(context.Background()) })
	return m.Database(name)
}

func attribute(code string, slot int64) dimension.Attribute {
	if slot < 0 {
		return dimension.Attribute{Code: code, Kind: "keyword", Facet: true, Labels: "{}"}
	}
	return dimension.Attribute{Code: code, Kind: "number", Facet: true, NumericSlot: &slot, Labels: "{}"}
}

// set is store 7 with some languages and attributes.
func set(version int64, langs []string, attributes ...dimension.Attribute) *dimension.Set {
	return dimension.NewSet(version, dimension.Rows{
		Stores: []dimension.Store{{ID: 7, Code: "centro", Languages: langs, TreeID: 1, Active: true}}, Attributes: attributes,
	})
}

func (r *rig) view(v view.Offer) projectors.Record {
	value, err := json.Marshal(v)
	if err != nil {
		r.t.Fatal(err)
	}
	r.offset++
	return projectors.Record{Topic: r.cfg.views(), Offset: r.offset, Value: value}
}

func (r *rig) command(c projectors.Command) projectors.Record {
	_, value, err := c.Encode()
	if err != nil {
		r.t.Fatal(err)
	}
	r.offset++
	return projectors.Record{Topic: r.cfg.commands(), Offset: r.offset, Value: value}
}

func shown(product, version int64, title string) view.Offer {
	return view.Offer{
		Version: version, Store: 7, Product: product, Visible: true, Boost: 1, CreatedAt: "2026-01-02T03:04:05Z",
		Texts: []view.Text{{Lang: "it", Title: title}}, Attributes: json.RawMessage(`{"colour":"rosso","weight":5}`), Price: 1,
	}
}

// document reads one document as it is searchable, not merely stored; ok says whether there is one.
func (r *rig) document(store, product int64) (doc search.Document, ok bool) {
	r.t.Helper()
	var answer struct {
		Hits struct {
			Hits []struct {
				Source search.Document `json:"_source"`
			}
		}
	}
	r.ask(http.MethodPost, "_search", fmt.Sprintf(`{"query":{"ids":{"values":[%q]}}}`, search.ID(store, product)), &answer)
	if len(answer.Hits.Hits) == 0 {
		return doc, false
	}
	return answer.Hits.Hits[0].Source, true
}

// ask sends a request of its own to the live index.
func (r *rig) ask(method, path, body string, into any) {
	r.t.Helper()
	req, err := http.NewRequestWithContext(r.t.Context(), method, r.address+"/"+search.Alias(r.cfg.Prefix)+"/"+path, strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer res.Body.Close()
	if err := json.NewDecoder(res.Body).Decode(into); err != nil || res.StatusCode != http.StatusOK {
		r.t.Fatalf("%s %s: %s, %v", method, path, res.Status, err)
	}
}

func (r *rig) handle(records ...projectors.Record) {
	r.t.Helper()
	if err := r.Handle(r.t.Context(), records); err != nil {
		r.t.Fatal(err)
	}
}

// titles are what is searchable of the products in a language, "-" for a tombstone and "" for nothing.
func (r *rig) titles(lang string, products ...int64) string {
	r.t.Helper()
	var list []string
	for _, p := range products {
		switch doc, ok := r.document(7, p); {
		case !ok:
			list = append(list, "")
		case doc.Deleted:
			list = append(list, "-")
		default:
			list = append(list, doc.Title[lang])
		}
	}
	return strings.Join(list, " ")
}

// store puts an offer and its product into MongoDB as the folds would.
func (r *rig) store(product int64, title string) {
	r.t.Helper()
	pos := change.Position{Commit: 1, Index: 1}
	_, err := r.products.Update(r.t.Context(), []int64{product}, func(_ int64, p *catalog.Product) bool {
		p.Row = catalog.Row{Pos: pos, Status: "active", CreatedAt: "2026-01-02T03:04:05Z"}
		p.Attributes = catalog.Attributes{Pos: pos, Value: json.RawMessage(`{"colour":"rosso","weight":5}`)}
		p.Texts = []catalog.Text{{Lang: "it", Pos: pos, Title: title}}
		p.Variants = []catalog.Variant{{SKU: fmt.Sprint(product), Pos: pos}}
		return true
	})
	if err != nil {
		r.t.Fatal(err)
	}
	_, err = r.offers.Update(r.t.Context(), []string{offer.ID(7, product)}, func(_ string, o *offer.Offer) bool {
		o.Store, o.Product, o.Row = 7, product, offer.Row{Pos: pos, Status: "active", Boost: 1}
		o.Prices = []offer.Price{{SKU: fmt.Sprint(product), Pos: pos, Amount: 100}}
		return true
	})
	if err != nil {
		r.t.Fatal(err)
	}
}

func TestViewsAreSearchableOnReturn(t *testing.T) {
	r := newRig(t)
	hidden := shown(3, 4, "hidden")
	hidden.Visible = false
	r.handle(r.view(shown(1, 2, "late")), r.view(shown(1, 3, "newest")), r.view(shown(1, 1, "early")), r.view(shown(2, 1, "other")), r.view(hidden))
	for _, lang := range []string{"it", "en"} {
		if got := r.titles(lang, 1, 2, 3); got != "newest other -" {
			t.Errorf("%s: %q", lang, got)
		}
	}
	if got := r.titles("de", 1); got != "" {
		t.Errorf("the store has no German, found %q", got)
	}
	// A worker that lost the partition repeats an old batch; a delete stays one.
	r.handle(r.view(shown(1, 2, "late")), r.view(shown(3, 3, "shown before")))
	if got := r.titles("it", 1, 3); got != "newest -" {
		t.Errorf("after older views: %q", got)
	}
}

func TestPoisonIsNamedAndTheRestApplied(t *testing.T) {
	r := newRig(t)
	malformed := projectors.Record{Topic: r.cfg.views(), Offset: 900, Value: []byte("{")}
	nameless := projectors.Record{Topic: r.cfg.views(), Offset: 901, Value: []byte("{}")}
	elsewhere := projectors.Record{Topic: "other", Offset: 902, Value: []byte("{}")}
	undated := shown(5, 1, "undated")
	undated.CreatedAt = "yesterday"
	record := r.view(undated)
	err := r.Handle(t.Context(), []projectors.Record{malformed, nameless, elsewhere, record, r.view(shown(1, 1, "good"))})
	poison, ok := projectors.AsPoison(err)
	if !ok {
		t.Fatalf("error %v", err)
	}
	var offsets []int64
	for _, p := range poison.Records {
		offsets = append(offsets, p.Record.Offset)
	}
	if want := []int64{900, 901, 902, record.Offset}; !slices.Equal(offsets, want) {
		t.Errorf("parked %v, want %v: %v", offsets, want, err)
	}
	if got := r.titles("it", 1, 5); got != "good " {
		t.Errorf("%q", got)
	}
}

func TestUnknownStoreIsIndexedWhenItComes(t *testing.T) {
	r := newRig(t)
	r.dims.set = dimension.NewSet(0, dimension.Rows{})
	r.dims.next = r.dims.set
	r.store(1, "uno")
	r.handle(r.view(shown(1, 2, "uno")))
	if r.dims.refreshes == 0 || r.titles("it", 1) != "" {
		t.Errorf("%d refreshes, found %q", r.dims.refreshes, r.titles("it", 1))
	}
	r.dims.next = set(1, []string{"it"})
	r.handle(r.command(projectors.Command{Kind: projectors.Dimensions, Store: 7, Dimensions: 1}))
	if got := r.titles("it", 1); got != "uno" {
		t.Errorf("%q", got)
	}
}

func TestRegistryAndLanguagesIndexTheStoreAgain(t *testing.T) {
	r := newRig(t)
	for i := range int64(1200) { // more than two chunks
		r.store(i+1, fmt.Sprintf("p%d", i+1))
	}
	dimensions := func(version int64) projectors.Record {
		return r.command(projectors.Command{Kind: projectors.Dimensions, Store: 7, Dimensions: version})
	}
	r.handle(dimensions(1))
	if got := r.titles("it", 1, 600, 1200); got != "p1 p600 p1200" {
		t.Fatalf("%q", got)
	}
	written := r.writer.Counts()

	r.dims.next = set(2, []string{"it", "en"}, dimension.Attribute{Code: "colour", Kind: "keyword", Facet: true, Labels: `{"it":"Colore"}`})
	r.handle(dimensions(2))
	if r.dims.set.Version() != 2 || r.writer.Counts().Requests != written.Requests {
		t.Error("a label was changed, and the store indexed again")
	}

	r.dims.next = set(3, []string{"it", "de"}, attribute("colour", -1), attribute("weight", 4))
	r.handle(dimensions(3))
	doc, _ := r.document(7, 1200)
	if got := doc.Numbers["n4"]; !slices.Equal(got, []float64{5}) || doc.Source.Dimensions != 3 {
		t.Errorf("numbers %v at dimensions %d", doc.Numbers, doc.Source.Dimensions)
	}
	if de, en := r.titles("de", 1, 1200), r.titles("en", 1, 1200); de != "p1 p1200" || en != " " {
		t.Errorf("de %q, en %q", de, en)
	}
}

// TestFormsThatCameAndWentBetweenTwoMarks has views written by languages that the store has no more, or has again, when its
// commands are read, and never had by the marks.
func TestFormsThatCameAndWentBetweenTwoMarks(t *testing.T) {
	for name, c := range map[string]struct {
		always, between []string
		want            string // in Italian and French
	}{
		"a language came and went": {[]string{"it"}, []string{"it", "fr"}, "p q,  "},
		"a language went and came": {[]string{"it", "fr"}, []string{"it"}, "p q, p q"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.dims.next = set(1, c.always)
			r.store(1, "p")
			r.handle(r.command(projectors.Command{Kind: projectors.Dimensions, Store: 7, Dimensions: 1}))
			r.dims.set = set(2, c.between)
			r.store(2, "q")
			r.handle(r.view(shown(2, 1, "q")))
			if got := r.titles("fr", 2) != ""; got != slices.Contains(c.between, "fr") {
				t.Fatalf("the view is in French: %t", got)
			}
			form := func(langs []string, commit change.LSN) dimension.Form {
				return dimension.Form{Form: "in " + strings.Join(langs, " "), Pos: change.Position{Commit: commit}}
			}
			r.dims.next = dimension.NewSet(3, dimension.Rows{
				Stores: []dimension.Store{{ID: 7, Code: "centro", Languages: c.always, TreeID: 1, Active: true}},
				Forms:  map[string][]dimension.Form{"stores:7": {form(c.always, 6), form(c.between, 5)}},
			})
			r.handle(r.command(projectors.Command{Kind: projectors.Dimensions, Store: 7, Dimensions: 2}),
				r.command(projectors.Command{Kind: projectors.Dimensions, Store: 7, Dimensions: 3}))
			if got := r.titles("it", 1, 2) + ", " + r.titles("fr", 1, 2); got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}

// TestBatchesThatIndexAStoreAtATime hands a store's changes of language to several batches at once, as the runtime does
// while one is on its way to the server.
func TestBatchesThatIndexAStoreAtATime(t *testing.T) {
	r := newRig(t)
	for i := range int64(40) {
		r.store(i+1, "p")
	}
	var batches sync.WaitGroup
	for version := int64(1); version <= 24; version++ {
		langs := []string{"it", []string{"de", "en", "fr"}[version%3]}
		r.dims.mu.Lock()
		r.dims.next = set(version, langs)
		r.dims.mu.Unlock()
		batch := []projectors.Record{r.command(projectors.Command{Kind: projectors.Dimensions, Store: 7, Dimensions: version})}
		batches.Go(func() {
			if err := r.Handle(t.Context(), batch); err != nil {
				t.Error(err)
			}
		})
	}
	batches.Wait()
	// The last version has German beside Italian.
	for lang, want := range map[string]string{"it": "p p", "de": "p p", "en": " ", "fr": " "} {
		if got := r.titles(lang, 1, 40); got != want {
			t.Errorf("%s: %q, want %q", lang, got, want)
		}
	}
}

func TestRebuildMendsDocumentsOfTheSameVersion(t *testing.T) {
	r := newRig(t)
	r.store(1, "right")
	v := shown(1, 2, "damaged")
	r.handle(r.view(v))
	if got := r.titles("it", 1); got != "damaged" {
		t.Fatalf("%q", got)
	}
	r.handle(r.command(projectors.Command{Kind: projectors.Rebuild, Store: 7}))
	if got := r.titles("it", 1); got != "right" {
		t.Errorf("%q", got)
	}
}

func TestCommandWaitsForItsDimensionsButNotForEver(t *testing.T) {
	r := newRig(t)
	r.handle(r.command(projectors.Command{Kind: projectors.Dimensions, Store: 7, Dimensions: 99}))
	if r.dims.refreshes < 2 {
		t.Errorf("%d refreshes", r.dims.refreshes)
	}
	r.dims.set = set(search.MaxDimensions+1, []string{"it"})
	if err := r.Handle(t.Context(), []projectors.Record{r.view(shown(1, 1, "x"))}); err == nil {
		t.Error("a version that documents have no room for is accepted")
	}
}

func TestMarksOnlyGoForward(t *testing.T) {
	r := newRig(t)
	for _, m := range []Mark{{ID: 7, Dimensions: 5, Digest: "new"}, {ID: 7, Dimensions: 4, Digest: "old"}} {
		if err := r.Handler.store.mark(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	if m, err := r.Handler.store.marked(t.Context(), 7); err != nil || m.Digest != "new" {
		t.Errorf("%+v, %v", m, err)
	}
}

func TestMissingIndexIsAnErrorAndNotPoison(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Elastic-Product", "Elasticsearch")
		_, _ = w.Write([]byte(`{"items":[{"index":{"_index":"a","status":404,"error":{"type":"index_not_found_exception","reason":"no such index"}}}]}`))
	}))
	defer s.Close()
	client, err := search.Open([]string{s.URL})
	if err != nil {
		t.Fatal(err)
	}
	dims := &source{set: set(1, []string{"it"}), next: set(1, []string{"it"})}
	cfg, err := Config{Prefix: "p"}.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	h := newHandler(cfg, NewStore(database(t), document.Config{}), search.NewWriter(client, search.WriterConfig{}), dims, 0)
	value, err := json.Marshal(shown(1, 1, "x"))
	if err != nil {
		t.Fatal(err)
	}
	err = h.Handle(t.Context(), []projectors.Record{{Topic: cfg.views(), Value: value}})
	if _, poison := projectors.AsPoison(err); err == nil || poison {
		t.Errorf("error %v", err)
	}
}
