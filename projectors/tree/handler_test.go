package tree

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"freshet/deploy/stack/stacktest"
	"freshet/ingest/change"
	"freshet/projectors"
	"freshet/projectors/catalog"
	"freshet/projectors/offer"
	"freshet/projectors/view"
)

// shop is a database with offers and products, the dimensions beside it, and the handlers that work on it.
type shop struct {
	t      testing.TB
	db     *mongo.Database
	store  *Store
	world  *world
	offset int64
}

func newShop(t testing.TB, grouped bool) *shop {
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
	db := client.Database(name)
	return &shop{t: t, db: db, store: NewStore(db, grouped), world: newWorld()}
}

// both runs a test with grouped and with single writes.
func both(t *testing.T, f func(t *testing.T, s *shop)) {
	t.Run("grouped", func(t *testing.T) { f(t, newShop(t, true)) })
	t.Run("plain", func(t *testing.T) { f(t, newShop(t, false)) })
}

func (s *shop) handler() *Handler {
	cfg, err := Config{Prefix: "p", DimensionWait: 50 * time.Millisecond, Log: slog.New(slog.DiscardHandler)}.withDefaults()
	if err != nil {
		s.t.Fatal(err)
	}
	return newHandler(cfg, s.store, s.world, newMetrics(nil), 0)
}

var at = change.Position{Commit: 100, Index: 1}

// stock stores an offer and its product, as offer and catalog would, and returns their view. Calling it again is a change.
func (s *shop) stock(product, price int64, categories ...int64) *view.Offer {
	s.t.Helper()
	ctx := s.t.Context()
	p := catalog.Product{
		ID: product, Rev: 1, Row: catalog.Row{Pos: at, Status: "active", Type: "simple"},
		Texts:    []catalog.Text{{Lang: "it", Pos: at, Title: fmt.Sprintf("Prodotto %d", product), Slug: fmt.Sprintf("p-%d", product), Description: "lunga"}},
		Variants: []catalog.Variant{{SKU: "a", Pos: at, Options: json.RawMessage(`{}`)}},
		Images:   catalog.Images{Pos: at, Value: json.RawMessage(`[{"url":"u"}]`)},
	}
	for _, c := range categories {
		p.Categories = append(p.Categories, catalog.Category{ID: c, Pos: at})
	}
	var before offer.Offer
	err := s.db.Collection("offers").FindOne(ctx, byID(offer.ID(7, product))).Decode(&before)
	if err != nil && !errors.Is(err, mongo.ErrNoDocuments) {
		s.t.Fatal(err)
	}
	o := offer.Offer{
		ID: offer.ID(7, product), Rev: before.Rev + 1, Store: 7, Product: product, Row: offer.Row{Pos: at, Status: "active", Boost: 1},
		Prices: []offer.Price{{SKU: "a", Pos: at, Amount: price}}, Stock: []offer.Stock{{SKU: "a", Pos: at, OnHand: 5}},
		Source: change.Provenance{Position: change.Position{Commit: change.LSN(before.Rev + 200), Index: 1}},
	}
	s.put("products", p.ID, p)
	s.put("offers", o.ID, o)
	v := view.Join(&p, &o)
	return &v
}

func (s *shop) put(collection string, id, doc any) {
	s.t.Helper()
	_, err := s.db.Collection(collection).ReplaceOne(s.t.Context(), byID(id), doc, options.Replace().SetUpsert(true))
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *shop) record(topic string, value []byte) projectors.Record {
	s.offset++
	return projectors.Record{Topic: topic, Offset: s.offset, Key: []byte("7"), Value: value}
}

func (s *shop) views(views ...*view.Offer) (batch []projectors.Record) {
	s.t.Helper()
	for _, v := range views {
		raw, err := json.Marshal(v)
		if err != nil {
			s.t.Fatal(err)
		}
		batch = append(batch, s.record(change.OfferViewTopic("p"), raw))
	}
	return batch
}

func (s *shop) command(kind string) []projectors.Record {
	s.t.Helper()
	_, raw, err := projectors.Command{Kind: kind, Store: 7, Dimensions: s.world.version, ID: "x"}.Encode()
	if err != nil {
		s.t.Fatal(err)
	}
	return []projectors.Record{s.record(change.CommandTopic("p"), raw)}
}

func (s *shop) handle(h *Handler, batch []projectors.Record) {
	s.t.Helper()
	if err := h.Handle(s.t.Context(), batch); err != nil {
		s.t.Fatal(err)
	}
}

// pages reads all pages of store 7 that a reader would find.
func (s *shop) pages() shelf {
	s.t.Helper()
	all := shelf{}
	for _, c := range []string{"homes", "nodes"} {
		cur, err := s.db.Collection(c).Find(s.t.Context(), within(7))
		if err != nil {
			s.t.Fatal(err)
		}
		var ids []struct {
			ID string `bson:"_id"`
		}
		if err := cur.All(s.t.Context(), &ids); err != nil {
			s.t.Fatal(err)
		}
		for _, d := range ids {
			if p := s.page(d.ID); p != nil {
				all[d.ID] = p
			}
		}
	}
	return all
}

// page reads one page the way the API does, nil when there is none.
func (s *shop) page(id string) page {
	s.t.Helper()
	k, err := parseKey(id)
	if err != nil {
		s.t.Fatal(err)
	}
	var p page
	if k.category == 0 {
		var h Home
		h, err = s.store.Home(s.t.Context(), 7, k.lang, k.part)
		h.Ver, h.Hash, h.Source = 0, 0, change.Provenance{}
		p = h
	} else {
		var n Node
		n, err = s.store.Node(s.t.Context(), 7, k.category, k.lang, k.part)
		n.Ver, n.Hash, n.Source = 0, 0, change.Provenance{}
		p = n
	}
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	if err != nil {
		s.t.Fatal(err)
	}
	return p
}

// check compares what is stored with what the offers and products say.
func (s *shop) check() {
	s.t.Helper()
	newest := map[int64]*view.Offer{}
	cur, err := s.db.Collection("offers").Find(s.t.Context(), within(7))
	if err != nil {
		s.t.Fatal(err)
	}
	var offers []offer.Offer
	if err := cur.All(s.t.Context(), &offers); err != nil {
		s.t.Fatal(err)
	}
	for _, o := range offers {
		var p catalog.Product
		if err := s.db.Collection("products").FindOne(s.t.Context(), byID(o.Product)).Decode(&p); err != nil {
			s.t.Fatal(err)
		}
		v := view.Join(&p, &o)
		newest[o.Product] = &v
	}
	if diff := differ(scratch(s.world, 7, newest), s.pages()); diff != "" {
		s.t.Fatal(diff)
	}
}

func (s *shop) versions() map[string]int64 {
	s.t.Helper()
	vers := map[string]int64{}
	for _, c := range []string{"homes", "nodes"} {
		cur, err := s.db.Collection(c).Find(s.t.Context(), within(7))
		if err != nil {
			s.t.Fatal(err)
		}
		var docs []struct {
			ID  string `bson:"_id"`
			Ver int64  `bson:"ver"`
		}
		if err := cur.All(s.t.Context(), &docs); err != nil {
			s.t.Fatal(err)
		}
		for _, d := range docs {
			vers[d.ID] = d.Ver
		}
	}
	return vers
}

func TestHandle(t *testing.T) {
	both(t, func(t *testing.T, s *shop) {
		h := s.handler()
		a, b := s.stock(1, 100, 11), s.stock(2, 200, 12)
		s.handle(h, s.views(a, b))
		s.check()
		a2 := s.stock(1, 150, 111)
		s.handle(h, s.views(a2, a)) // and the old one after it
		s.check()
		n, err := s.store.Node(t.Context(), 7, 111, "it", 1)
		if err != nil {
			t.Fatal(err)
		}
		if n.Cards[0].Price != 150 || n.Source.Position != a2.Source.Position {
			t.Errorf("node of %v with price %d, want %v and 150", n.Source.Position, n.Cards[0].Price, a2.Source.Position)
		}
		if h.stats.Loads != 1 || h.stats.Stale != 1 {
			t.Errorf("%d loads and %d stale views, want one each", h.stats.Loads, h.stats.Stale)
		}
		before := s.versions()
		s.handle(h, s.views(a2, b))
		for id, ver := range s.versions() {
			if before[id] != ver {
				t.Errorf("%s was written again without a change", id)
			}
		}
	})
}

// A worker that starts anew finds the documents right and writes none, but takes their versions over.
func TestReload(t *testing.T) {
	both(t, func(t *testing.T, s *shop) {
		v := s.stock(1, 100, 11)
		s.handle(s.handler(), s.views(v))
		next := s.handler()
		s.handle(next, s.views(v))
		s.check()
		if next.stats.Written != 0 {
			t.Errorf("%d documents written though all were right", next.stats.Written)
		}
		for id, ver := range s.versions() {
			if ver>>seqBits != 2 {
				t.Errorf("%s is of epoch %d after the second load", id, ver>>seqBits)
			}
		}
	})
}

// Whatever a crash left (missing, wrong and superfluous pages), the next touch of the store mends.
func TestReconcile(t *testing.T) {
	both(t, func(t *testing.T, s *shop) {
		v := s.stock(1, 100, 11)
		s.handle(s.handler(), s.views(v))
		nodes := s.db.Collection("nodes")
		if _, err := nodes.DeleteOne(t.Context(), byID("7:11:it")); err != nil {
			t.Fatal(err)
		}
		wrong := bson.D{{Key: "$set", Value: bson.D{{Key: "page", Value: `{"name":"wrong"}`}, {Key: "hash", Value: int64(5)}}}}
		if _, err := nodes.UpdateOne(t.Context(), byID("7:1:it"), wrong); err != nil {
			t.Fatal(err)
		}
		s.put("nodes", "7:77:it", Node{ID: "7:77:it", Ver: 3, Hash: 8, Store: 7, Category: 77, Lang: "it"})
		s.stock(2, 100, 2) // its view is still to come
		next := s.handler()
		s.handle(next, s.command(projectors.Dimensions))
		s.check()
		if _, err := s.store.Node(t.Context(), 7, 77, "it", 1); !errors.Is(err, ErrNotFound) {
			t.Errorf("superfluous page: %v, want %v", err, ErrNotFound)
		}
	})
}

func TestDimensionCommands(t *testing.T) {
	both(t, func(t *testing.T, s *shop) {
		h := s.handler()
		s.handle(h, s.views(s.stock(1, 100, 11), s.stock(2, 100, 111), s.stock(3, 50, 2)))
		steps := []func(){
			func() { s.world.put(11, 1, 0, true, "Pasta fresca") },
			func() { s.world.put(11, 2, 0, true, "Pasta") },
			func() { s.world.put(11, 2, 0, false, "Pasta") },
			func() { s.world.put(13, 1, 0, true, "Dolci") },
			func() { s.language("it") },
			func() { s.language("it", "de", "fr") },
			func() { s.open(false) },
			func() { s.open(true) },
			func() { s.world.put(11, 1, 0, true, "Pasta") },
		}
		for i, step := range steps {
			step()
			s.handle(h, s.command(projectors.Dimensions))
			s.check()
			if t.Failed() {
				t.Fatalf("at step %d", i)
			}
		}
		if h.stats.Loads != 5 { // the first, two for languages, two for closing and opening
			t.Errorf("%d loads, want 5", h.stats.Loads)
		}
	})
}

func (s *shop) language(langs ...string) {
	st := s.world.stores[7]
	st.Languages = langs
	s.world.stores[7] = st
	s.world.version++
}

func (s *shop) open(active bool) {
	st := s.world.stores[7]
	st.Active = active
	s.world.stores[7] = st
	s.world.version++
}

// A command may name a version that the dimensions never reach, when they were dropped and folded again.
func TestDimensionVersionNeverReached(t *testing.T) {
	s := newShop(t, true)
	s.stock(1, 100, 11)
	batch := s.command(projectors.Dimensions)
	s.world.version = 1
	s.handle(s.handler(), batch)
	s.check()
}

func TestRebuild(t *testing.T) {
	both(t, func(t *testing.T, s *shop) {
		h := s.handler()
		v := s.stock(1, 100, 11)
		s.handle(h, s.views(v))
		before := s.versions()
		batch := append(s.command(projectors.Rebuild), s.command(projectors.Rebuild)...)
		s.handle(h, batch)
		s.check()
		for id, ver := range s.versions() {
			if ver <= before[id] || ver&(1<<seqBits-1) == 0 {
				t.Errorf("%s was not written again: version %d after %d", id, ver, before[id])
			}
		}
		r, err := s.store.Rebuilt(t.Context(), 7)
		if err != nil {
			t.Fatal(err)
		}
		if !r.Answers(0, batch[0].Offset) || !r.Answers(0, batch[1].Offset) || r.Answers(0, batch[1].Offset+1) || r.Answers(1, 1) {
			t.Errorf("two commands in one batch are answered by %+v", r)
		}
		if r.Documents != len(before) || r.Offers != 1 {
			t.Errorf("%d documents of %d offers, want %d of 1", r.Documents, r.Offers, len(before))
		}
		if r, err := s.store.Rebuilt(t.Context(), 8); err != nil || r != (Rebuilt{}) {
			t.Errorf("a store that was never rebuilt says %+v, %v", r, err)
		}
	})
}

// A worker that lost its partition and doesn't know writes nothing, whether the page was there or would be new.
func TestZombie(t *testing.T) {
	both(t, func(t *testing.T, s *shop) {
		zombie, owner := s.handler(), s.handler()
		old := s.stock(1, 100, 11)
		s.handle(zombie, s.views(old))
		st := zombie.states[7]
		newer := s.stock(1, 150, 11)
		s.handle(owner, s.views(newer))
		st.Apply(&view.Offer{Version: 99, Store: 7, Product: 1, Deleted: true})
		writes, _, err := st.changes(false)
		if err != nil {
			t.Fatal(err)
		}
		var fenced *fencedStores
		if err := s.store.write(t.Context(), writes); !errors.As(err, &fenced) || !slices.Contains(fenced.lost, st) {
			t.Fatalf("a zombie's write: %v, want it fenced", err)
		}
		s.check()

		k := key{500, "it", 1}
		ghost := []write{{st, k, ghostly(k, st.next())}}
		if err := s.store.write(t.Context(), ghost); !errors.Is(err, errFenced) {
			t.Fatalf("a zombie's new page: %v, want it fenced", err)
		}
		s.check()
	})
}

// ghostly is a page that no plan has.
func ghostly(k key, ver int64) sheet {
	return sheet{ID: k.id(7), Ver: ver, Hash: 1, Store: 7, Category: k.category, Lang: k.lang, Page: `{"name":"ghost"}`}
}

// A new owner that comes between a zombie's look at the fence and its write lifts the reserved tombstone over it.
func TestZombieBetweenLookAndWrite(t *testing.T) {
	s := newShop(t, true)
	zombie, owner := s.handler(), s.handler()
	v := s.stock(1, 100, 11)
	s.handle(zombie, s.views(v))
	st := zombie.states[7]
	k := key{500, "it", 1}
	ghost := []write{{st, k, ghostly(k, st.next())}}
	lost := map[*state]bool{}
	if err := s.store.reserve(t.Context(), ghost, lost); err != nil || len(lost) != 0 {
		t.Fatalf("reserve: %v, lost %v", err, lost)
	}
	s.handle(owner, s.views(v))
	if err := s.store.replace(t.Context(), s.store.nodes, ghost, lost); err != nil || !lost[st] {
		t.Fatalf("replace: %v, lost %v; want the store lost", err, lost)
	}
	s.check()
}

// Two workers that both believe to own a store take turns, and the pages are right after each turn.
func TestTwoOwners(t *testing.T) {
	both(t, func(t *testing.T, s *shop) {
		a, b := s.handler(), s.handler()
		for turn := range int64(6) {
			h := []*Handler{a, b}[turn%2]
			s.handle(h, s.views(s.stock(turn%3+1, 100+turn, 11, 2)))
			s.check()
		}
		if a.stats.Fenced+b.stats.Fenced != 4 { // each turn but the first of each
			t.Errorf("fenced %d and %d times, want 4 in all", a.stats.Fenced, b.stats.Fenced)
		}
	})
}

// A write that was not answered may have been done: a page that meanwhile turned back to what was stored before is written
// all the same.
func TestUnansweredWrite(t *testing.T) {
	both(t, func(t *testing.T, s *shop) {
		h := s.handler()
		s.handle(h, s.views(s.stock(1, 100, 11)))
		st := h.states[7]
		before := maps.Clone(st.stored)
		st.Apply(s.stock(1, 150, 11))
		writes, _, err := st.changes(false)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.store.write(t.Context(), writes); err != nil {
			t.Fatal(err)
		}
		st.stored = before // as if no answer had come, and now none does
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		nodes := slices.DeleteFunc(writes, func(w write) bool { return w.key.category == 0 })
		if err := s.store.replace(gone, s.store.nodes, nodes, map[*state]bool{}); !errors.Is(err, context.Canceled) {
			t.Fatalf("write without an answer: %v", err)
		}
		for _, w := range nodes {
			if st.stored[w.key] != unknown {
				t.Errorf("%s is believed to be known", w.doc.ID)
			}
		}
	})
}

// A batch that is broken off anywhere and handled again, by the same worker or another, leaves the right pages.
func TestInterruptedAnywhere(t *testing.T) {
	both(t, interruptAnywhere)
}

func interruptAnywhere(t *testing.T, s *shop) {
	h := s.handler()
	for round := range int64(25) {
		a, b := s.stock(round%4+1, 100+round, 11, 12), s.stock(round%3+5, 100-round, 2)
		batch := s.views(a, b)
		if round%5 == 4 {
			batch = append(batch, s.command(projectors.Rebuild)...)
		}
		cut, cancel := context.WithTimeout(t.Context(), time.Duration(round)*300*time.Microsecond)
		err := h.Handle(cut, batch)
		cancel()
		if round%2 == 0 {
			h = s.handler() // a crash: another worker goes on
		}
		if err != nil {
			s.handle(h, batch)
		}
		s.check()
	}
}

func TestPoison(t *testing.T) {
	s := newShop(t, true)
	good := s.views(s.stock(1, 100, 11))
	bad := []projectors.Record{
		s.record(change.OfferViewTopic("p"), []byte(`{`)),
		s.record(change.OfferViewTopic("p"), nil),
		s.record(change.OfferViewTopic("p"), []byte(`{"store":7,"product":0,"version":1}`)),
		s.record(change.CommandTopic("p"), []byte(`{"kind":"explode","store":7}`)),
		s.record("p.other", []byte(`{}`)),
	}
	h := s.handler()
	err := h.Handle(t.Context(), append(bad, good...))
	poison, ok := projectors.AsPoison(err)
	if !ok || len(poison.Records) != len(bad) {
		t.Fatalf("%v, want %d poison records", err, len(bad))
	}
	for _, p := range poison.Records {
		if !errors.Is(p.Reason, change.ErrMalformed) {
			t.Errorf("record %d: %v", p.Record.Offset, p.Reason)
		}
	}
	s.check()
	if _, ok := projectors.AsPoison(h.Handle(t.Context(), bad)); !ok {
		t.Error("a batch of nothing but poison is none")
	}
}

func TestEviction(t *testing.T) {
	s := newShop(t, true)
	for id := int64(8); id <= 9; id++ {
		st := s.world.stores[7]
		st.ID = id
		s.world.stores[id] = st
	}
	h := s.handler()
	h.cfg.MemoryBytes = 1
	v := s.stock(1, 100, 11)
	s.handle(h, s.views(v))
	if len(h.states) != 1 {
		t.Fatal("the only store was dropped")
	}
	other := *v
	other.Store = 8
	s.handle(h, s.views(&other))
	if h.states[7] != nil || h.states[8] == nil || h.stats.Evicted != 1 {
		t.Fatalf("%d stores in memory, %d evicted; want the last one used", len(h.states), h.stats.Evicted)
	}
	s.handle(h, s.views(s.stock(1, 120, 11)))
	s.check()
}

// A page that needs several documents has them, keeps them over a change of owner, and loses those that it needs no more.
func TestAPageInSeveralDocuments(t *testing.T) {
	both(t, func(t *testing.T, s *shop) {
		show := func(children int64) {
			for id := range int64(NodeChildren + 5) {
				s.world.put(1000+id, 2, id, id < children, "Figlia")
			}
		}
		show(NodeChildren + 5)
		v := s.stock(1, 100, 1000+NodeChildren)
		s.handle(s.handler(), s.views(v))
		s.check()
		second, err := s.store.Node(t.Context(), 7, 2, "it", 2)
		if err != nil || len(second.Children) != 5 || second.Children[0].Count != 1 {
			t.Fatalf("the second part %+v, %v", second, err)
		}
		next := s.handler()
		s.handle(next, s.views(v))
		if next.stats.Written != 0 {
			t.Errorf("%d documents written though all were right", next.stats.Written)
		}
		if _, err := s.db.Collection("nodes").DeleteOne(t.Context(), byID("7:2:it#2")); err != nil {
			t.Fatal(err)
		}
		s.handle(next, s.command(projectors.Rebuild))
		s.check()
		whole, err := s.store.WholeNode(t.Context(), 7, 2, "it")
		if err != nil || len(whole.Children) != NodeChildren+5 || whole.Name != "Casa" || whole.Next != 0 {
			t.Errorf("the whole page has %d children, %v", len(whole.Children), err)
		}
		show(NodeChildren)
		s.handle(next, s.command(projectors.Dimensions))
		s.check()
		if _, err := s.store.Node(t.Context(), 7, 2, "it", 2); !errors.Is(err, ErrNotFound) {
			t.Errorf("the second part is still there: %v", err)
		}
	})
}
