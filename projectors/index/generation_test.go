package index

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/sync/errgroup"

	"freshet/ingest/change"
	"freshet/projectors"
	"freshet/projectors/catalog"
	"freshet/projectors/offer"
	"freshet/search"
)

// rebuild is one on the rig's servers.
func (r *rig) rebuild() *Rebuild {
	r.t.Helper()
	client, err := search.Open([]string{r.address})
	if err != nil {
		r.t.Fatal(err)
	}
	return &Rebuild{
		store: r.Handler.store, indices: &search.Indices{Client: client, Prefix: r.cfg.Prefix}, writer: search.NewWriter(client, search.WriterConfig{}),
		dims: r.dims, log: slog.New(slog.DiscardHandler),
	}
}

// storeMany puts products p1, p2, … and their offers into MongoDB.
func (r *rig) storeMany(n int64) {
	r.t.Helper()
	pos := change.Position{Commit: 1, Index: 1}
	var products []int64
	var offers []string
	for id := int64(1); id <= n; id++ {
		products, offers = append(products, id), append(offers, offer.ID(7, id))
	}
	_, err := r.products.Update(r.t.Context(), products, func(id int64, p *catalog.Product) bool {
		p.Row = catalog.Row{Pos: pos, Status: "active", CreatedAt: "2026-01-02T03:04:05Z"}
		p.Texts = []catalog.Text{{Lang: "it", Pos: pos, Title: fmt.Sprintf("p%d", id)}}
		p.Variants = []catalog.Variant{{SKU: fmt.Sprint(id), Pos: pos}}
		return true
	})
	if err != nil {
		r.t.Fatal(err)
	}
	_, err = r.offers.Update(r.t.Context(), offers, func(id string, o *offer.Offer) bool {
		_, product, _ := strings.Cut(id, ":")
		o.Store, o.Row = 7, offer.Row{Pos: pos, Status: "active", Boost: 1}
		o.Product, _ = strconv.ParseInt(product, 10, 64) // made of a number above
		o.Prices = []offer.Price{{SKU: product, Pos: pos, Amount: 100}}
		return true
	})
	if err != nil {
		r.t.Fatal(err)
	}
}

// rename renames a product as the fold would, and has the handler write its view.
func (r *rig) rename(product int64, title string) error {
	_, err := r.products.Update(r.t.Context(), []int64{product}, func(_ int64, p *catalog.Product) bool {
		p.Texts[0].Title = title
		return true
	})
	if err != nil {
		return err
	}
	views, err := r.Handler.store.viewsOf(r.t.Context(), 7, []int64{product})
	if err != nil {
		return err
	}
	return r.Handle(r.t.Context(), []projectors.Record{r.view(views[0])})
}

// TestANewGenerationWhileWritesGoOn: the index is filled beside the live one while products change; after the gate and the
// switch nothing is missing, not even the last change; going back neither, since both are written; and when the old one is
// discarded the stage goes on without it.
func TestANewGenerationWhileWritesGoOn(t *testing.T) {
	r := newRig(t)
	ctx, b := t.Context(), r.rebuild()
	const products = chunk + 20
	r.storeMany(products)
	for p := range int64(10) {
		if err := r.rename(p+1, fmt.Sprintf("before%d", p+1)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := b.Gate(ctx, 10); !errors.Is(err, ErrNoBeside) {
		t.Errorf("a gate with nothing beside: %v", err)
	}
	if _, err := b.Begin(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Switch(ctx); !errors.Is(err, ErrNotFilled) {
		t.Errorf("a switch to what is not filled: %v", err)
	}
	var filled atomic.Bool
	var group errgroup.Group
	group.Go(func() error {
		defer filled.Store(true)
		return b.Fill(ctx, 0, func(Generation, int) error { return nil })
	})
	last := ""
	group.Go(func() error {
		for n := 0; n < 5 || !filled.Load(); n++ {
			last = fmt.Sprintf("during%d", n)
			if err := r.rename(1, last); err != nil {
				return err
			}
		}
		return nil
	})
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	// The live one has only what was changed; the stage fills the rest of it by a rebuild of the store.
	if _, err := b.Gate(ctx, 50); !errors.Is(err, ErrNotEqual) {
		t.Errorf("the gate of unequal generations: %v", err)
	}
	r.handle(r.command(projectors.Command{Kind: projectors.Rebuild, Store: 7}))
	c, err := b.Gate(ctx, 50)
	if err != nil {
		t.Fatal(err)
	}
	if c.Live != products || c.Sampled != 50 {
		t.Errorf("compared %+v", c)
	}
	g, err := b.Switch(ctx)
	if err != nil || g.Live != 2 || g.Beside != 1 {
		t.Fatalf("switched to %+v, %v", g, err)
	}
	if got := r.titles("it", 1, 2, products); got != fmt.Sprintf("%s before2 p%d", last, products) {
		t.Errorf("after the switch: %q", got)
	}
	if _, err := b.Begin(ctx); !errors.Is(err, errKeptBeside) {
		t.Errorf("a third generation while two are kept: %v", err)
	}
	if err := r.rename(2, "after"); err != nil {
		t.Fatal(err)
	}
	if g, err = b.Switch(ctx); err != nil || g.Live != 1 {
		t.Fatalf("went back to %+v, %v", g, err)
	}
	if got := r.titles("it", 1, 2); got != last+" after" {
		t.Errorf("after going back: %q", got)
	}
	if g, err = b.Discard(ctx); err != nil || g.Beside != 0 {
		t.Fatalf("discarded, now %+v, %v", g, err)
	}
	if err := r.rename(3, "alone"); err != nil {
		t.Fatal(err)
	}
	if got := r.titles("it", 3); got != "alone" {
		t.Errorf("after discarding: %q", got)
	}
}

// TestFillGoesOnWhereItWasBrokenOff: stores that are done are not read again, also by another process.
func TestFillGoesOnWhereItWasBrokenOff(t *testing.T) {
	r := newRig(t)
	ctx := t.Context()
	r.store(1, "uno")
	if _, err := r.rebuild().Begin(ctx); err != nil {
		t.Fatal(err)
	}
	broken := errors.New("broken off")
	if err := r.rebuild().Fill(ctx, 1000, func(g Generation, stores int) error {
		if g.Cursor != 7 || g.Documents != 1 || stores != 1 {
			t.Errorf("progress %+v of %d stores", g, stores)
		}
		return broken
	}); !errors.Is(err, broken) {
		t.Fatal(err)
	}
	again := 0
	if err := r.rebuild().Fill(ctx, 0, func(Generation, int) error { again++; return nil }); err != nil {
		t.Fatal(err)
	}
	if g, err := r.rebuild().State(ctx); err != nil || !g.Filled || again != 0 {
		t.Errorf("%+v, %v; %d stores read again", g, err, again)
	}
}

// TestAGenerationOfAnotherDefinition: where another version of Freshet made the live index, whatever it holds, the new one is
// compared with the documents in MongoDB.
func TestAGenerationOfAnotherDefinition(t *testing.T) {
	r := newRig(t)
	ctx, b := t.Context(), r.rebuild()
	const products = 30
	r.storeMany(products)
	var answer struct{}
	r.ask(http.MethodPut, "_mapping", `{"_meta":{"definition":"of another version"}}`, &answer)
	if _, err := b.Begin(ctx); err != nil {
		t.Fatal(err)
	}
	if err := b.Fill(ctx, 0, func(Generation, int) error { return nil }); err != nil {
		t.Fatal(err)
	}
	c, err := b.Gate(ctx, products)
	if err != nil || !c.Redefined || c.Live != 0 || c.Beside != products || c.Sampled != products {
		t.Errorf("compared %+v, %v", c, err)
	}
	_, err = r.products.Update(ctx, []int64{5}, func(_ int64, p *catalog.Product) bool {
		p.Texts[0].Title = "what the index was not told of"
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
	if c, err := b.Gate(ctx, products); !errors.Is(err, ErrNotEqual) || c.Older != 1 || c.First != "7:5" {
		t.Errorf("compared %+v, %v", c, err)
	}
}
