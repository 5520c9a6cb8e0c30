package dimension_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"freshet/deploy/stack/stacktest"
	"freshet/ingest/change"
	"freshet/projectors"
	"freshet/projectors/dimension"
	"freshet/projectors/document"
)

// commands keeps what was published.
type commands struct {
	mu   sync.Mutex
	sent []projectors.Command
	fail error
}

func (c *commands) Publish(_ context.Context, messages []projectors.Message) (map[string][]int64, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.fail != nil {
		return nil, c.fail
	}
	for _, m := range messages {
		command, err := projectors.DecodeCommand(m.Value)
		if err != nil {
			return nil, err
		}
		if m.Topic != "p.command" || string(m.Key) != fmt.Sprint(command.Store) {
			return nil, fmt.Errorf("command for store %d on topic %s with key %s", command.Store, m.Topic, m.Key)
		}
		c.sent = append(c.sent, command)
	}
	return nil, nil
}

// take returns the stores that were told, and forgets them.
func (c *commands) take() []int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	var stores []int64
	for _, command := range c.sent {
		stores = append(stores, command.Store)
	}
	c.sent = nil
	slices.Sort(stores)
	return slices.Compact(stores)
}

func database(t testing.TB) *mongo.Database {
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
	return client.Database(name)
}

// feed makes records of events whose positions count up.
type feed struct{ commit int }

func (f *feed) record(op, table, row string) projectors.Record {
	f.commit++
	before, after := "null", row
	if op == "d" {
		before, after = after, before
	}
	return projectors.Record{
		Topic: "p.public." + table, Key: []byte("{}"),
		Value: []byte(`{"before":` + before + `,"after":` + after + `,"op":"` + op + `","source":{"schema":"public","table":"` + table + `"}}`),
		Headers: []change.Header{
			{Key: change.HeaderCommitLSN, Value: fmt.Appendf(nil, "0/%X", f.commit)}, {Key: change.HeaderTxIndex, Value: []byte("1")},
		},
	}
}

func store(id, tree int64) string {
	return fmt.Sprintf(`{"id":%d,"code":"s%d","name":"S","market":"it","currency":"EUR","languages":["it","en"],"tree_id":%d,"active":true}`, id, id, tree)
}

func category(id, tree int64, parent string) string {
	return fmt.Sprintf(`{"id":%d,"tree_id":%d,"parent_id":%s,"position":1,"slug":"c%d","active":true}`, id, tree, parent, id)
}

func TestProjectorTellsTheStoresConcerned(t *testing.T) {
	db, out, f := database(t), &commands{}, &feed{}
	p := dimension.NewProjector(db, document.Config{}, out, "p")
	cache := dimension.NewCache(db, dimension.CacheConfig{})
	moved := f.record("u", "categories", category(10, 2, "null"))
	for i, step := range []struct {
		records []projectors.Record
		want    []int64
	}{
		// Text before category, category before store: each concerns nobody yet.
		{[]projectors.Record{f.record("c", "category_texts", `{"category_id":10,"lang":"it","name":"Tazze"}`)}, nil},
		{[]projectors.Record{f.record("c", "categories", category(10, 1, "null"))}, nil},
		{[]projectors.Record{f.record("c", "stores", store(1, 1)), f.record("c", "stores", store(2, 1)), f.record("c", "stores", store(3, 2))}, []int64{1, 2, 3}},
		{[]projectors.Record{f.record("u", "category_texts", `{"category_id":10,"lang":"it","name":"Piatti"}`)}, []int64{1, 2}},
		{[]projectors.Record{f.record("c", "brands", `{"id":4,"name":"B","slug":"b"}`), f.record("c", "sellers", `{"id":4,"name":"B","slug":"b"}`)}, nil},
		{[]projectors.Record{f.record("c", "search_synonyms", `{"id":4}`)}, nil},
		{[]projectors.Record{f.record("c", "search_rules", `{"id":4,"store_id":1,"product_id":9,"action":"hide","active":true}`)}, []int64{1}},
		// A rule that moves concerns the store it left too, and one of no store all of them.
		{[]projectors.Record{f.record("u", "search_rules", `{"id":4,"store_id":2,"product_id":9,"action":"hide","active":true}`)}, []int64{1, 2}},
		{[]projectors.Record{f.record("c", "search_rules", `{"id":5,"store_id":null,"product_id":9,"action":"pin","place":3,"active":true}`)}, []int64{1, 2, 3}},
		{[]projectors.Record{f.record("d", "search_rules", `{"id":4}`)}, []int64{1, 2}},
		{[]projectors.Record{f.record("c", "attribute_defs", `{"code":"size","kind":"keyword","facet":true,"numeric_slot":null,"unit":null,"labels":"{}"}`)}, []int64{1, 2, 3}},
		{[]projectors.Record{f.record("u", "category_trees", `{"id":2,"code":"t","name":"T"}`)}, []int64{3}},
		// A move concerns both trees, also when it is delivered again.
		{[]projectors.Record{moved}, []int64{1, 2, 3}},
		{[]projectors.Record{moved}, []int64{1, 2, 3}},
		{[]projectors.Record{f.record("u", "stores", store(2, 7))}, []int64{2}},
		{[]projectors.Record{f.record("d", "categories", `{"id":10}`), {Topic: "p.public.categories", Key: []byte("{}")}}, []int64{1, 3}},
		{[]projectors.Record{f.record("d", "stores", `{"id":3}`)}, []int64{3}},
	} {
		if err := p.Handle(t.Context(), step.records); err != nil {
			t.Fatalf("step %d: %v", i, err)
		}
		for _, c := range out.sent {
			if c.Kind != projectors.Dimensions || c.Dimensions != int64(i+1) || c.Reason == "" {
				t.Errorf("step %d: %+v", i, c)
			}
		}
		if got := out.take(); !slices.Equal(got, step.want) {
			t.Errorf("step %d told %v, want %v", i, got, step.want)
		}
		if err := cache.Refresh(t.Context()); err != nil || cache.Get().Version() != int64(i+1) {
			t.Fatalf("step %d: version %d, %v", i, cache.Get().Version(), err)
		}
	}
	set := cache.Get()
	if _, ok := set.Category(10); ok || len(set.Stores()) != 2 || len(set.Rules()) != 1 || *set.Rules()[0].Place != 3 || set.CategoryName(10, "it") != "Piatti" {
		t.Errorf("after all: %+v", set)
	}
	if st, ok := set.StoreNamed("s2"); !ok || st.TreeID != 7 || !slices.Equal(st.Languages, []string{"it", "en"}) {
		t.Errorf("store 2: %+v", st)
	}
}

func TestProjectorRefusesPoisonBeforeItApplies(t *testing.T) {
	db, out, f := database(t), &commands{}, &feed{}
	p := dimension.NewProjector(db, document.Config{}, out, "p")
	bad := projectors.Record{Topic: "p.public.stores", Offset: 7, Key: []byte("{}"), Value: []byte("{")}
	good := f.record("c", "stores", store(1, 1))
	poison, ok := projectors.AsPoison(p.Handle(t.Context(), []projectors.Record{good, bad}))
	if !ok || len(poison.Records) != 1 || poison.Records[0].Record.Offset != 7 {
		t.Fatalf("want the bad record as poison: %v", poison)
	}
	if len(out.sent) > 0 {
		t.Errorf("something was applied: %v", out.sent)
	}
	if err := p.Handle(t.Context(), []projectors.Record{good}); err != nil || len(out.take()) != 1 {
		t.Errorf("the rest: %v", err)
	}
}

func TestCacheFollows(t *testing.T) {
	db, out, f := database(t), &commands{}, &feed{}
	p := dimension.NewProjector(db, document.Config{}, out, "p")
	cache := dimension.NewCache(db, dimension.CacheConfig{Interval: 5 * time.Millisecond})
	if cache.Get() == nil || cache.Get().Version() != 0 {
		t.Fatal("a new cache must hold an empty set")
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- cache.Run(ctx) }()
	if err := p.Handle(t.Context(), []projectors.Record{f.record("c", "stores", store(1, 1))}); err != nil {
		t.Fatal(err)
	}
	deadline := time.After(20 * time.Second)
	for len(cache.Get().Stores()) == 0 {
		select {
		case <-deadline:
			t.Fatal("the cache does not follow")
		case <-time.After(5 * time.Millisecond):
		}
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// A merchant's rows are in the next Set that is loaded, and concern the pages of their stores.
func TestRulesAndSynonymsAreDimensions(t *testing.T) {
	db, out, f := database(t), &commands{}, &feed{}
	p := dimension.NewProjector(db, document.Config{}, out, "p")
	cache := dimension.NewCache(db, dimension.CacheConfig{})
	handle := func(records ...projectors.Record) {
		if err := p.Handle(t.Context(), records); err != nil {
			t.Fatal(err)
		}
		if err := cache.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	handle(f.record("c", "stores", store(1, 1)))
	out.take()
	handle(
		f.record("c", "search_rules", `{"id":4,"store_id":1,"query":"pane","category_id":null,"product_id":9,"action":"pin","place":2,"factor":null,"active":true}`),
		f.record("c", "search_rules", `{"id":3,"store_id":null,"query":null,"category_id":5,"product_id":8,"action":"boost","place":null,"factor":2.5,"active":true}`),
		f.record("c", "search_synonyms", `{"id":7,"store_id":null,"lang":"it","terms":["frigo","frigorifero"],"active":true}`),
	)
	rules, synonyms := cache.Get().Rules(), cache.Get().Synonyms()
	if len(rules) != 2 || *rules[0].Factor != 2.5 || *rules[0].CategoryID != 5 || rules[0].StoreID != nil || *rules[1].Place != 2 || *rules[1].Query != "pane" {
		t.Errorf("rules %+v", rules)
	}
	if len(synonyms) != 1 || !slices.Equal(synonyms[0].Terms, []string{"frigo", "frigorifero"}) || !synonyms[0].Active {
		t.Errorf("synonyms %+v", synonyms)
	}
	handle(f.record("d", "search_rules", `{"id":4}`))
	if rules := cache.Get().Rules(); len(rules) != 1 {
		t.Errorf("rules %+v", rules)
	}
	if told := out.take(); !slices.Equal(told, []int64{1}) {
		t.Errorf("stores %v were told", told)
	}
}

// What searches show beside their hits is in the next Set that is loaded, and concerns no stored page.
func TestFacetsAndBannersAreDimensions(t *testing.T) {
	db, out, f := database(t), &commands{}, &feed{}
	p := dimension.NewProjector(db, document.Config{}, out, "p")
	cache := dimension.NewCache(db, dimension.CacheConfig{})
	handle := func(records ...projectors.Record) {
		if err := p.Handle(t.Context(), records); err != nil {
			t.Fatal(err)
		}
		if err := cache.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	handle(f.record("c", "stores", store(1, 1)), f.record("c", "categories", category(10, 1, "null")))
	out.take()
	handle(
		f.record("c", "search_facets", `{"id":4,"store_id":null,"category_id":10,"facets":["size","brand"],"active":true}`),
		f.record("c", "search_facets", `{"id":5,"store_id":1,"category_id":10,"facets":["brand"],"active":false}`),
		f.record("c", "search_banners", `{"id":7,"store_id":1,"query":"pane","category_id":null,"lang":"it","title":"T","image":"/i","url":"/u","place":2,"valid_from":"2026-01-01T00:00:00Z","valid_to":null,"active":true}`),
	)
	if got := cache.Get().Facets(1, 10); !slices.Equal(got, []string{"size", "brand"}) || cache.Get().Facets(1, 0) != nil {
		t.Errorf("facets %v", got)
	}
	banners := cache.Get().Banners()
	if len(banners) != 1 || banners[0].Place != 2 || *banners[0].ValidFrom != "2026-01-01T00:00:00Z" || banners[0].ValidTo != nil || *banners[0].Lang != "it" {
		t.Errorf("banners %+v", banners)
	}
	handle(f.record("u", "search_facets", `{"id":5,"store_id":1,"category_id":10,"facets":["brand"],"active":true}`), f.record("d", "search_banners", `{"id":7}`))
	if got := cache.Get().Facets(1, 10); !slices.Equal(got, []string{"brand"}) || len(cache.Get().Banners()) != 0 {
		t.Errorf("facets %v, banners %v", got, cache.Get().Banners())
	}
	if told := out.take(); told != nil {
		t.Errorf("stores %v were told", told)
	}
}
