package modelling

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"freshet/deploy/stack/stacktest"
)

// model is what all three are.
type model interface {
	Catalog
	Fill(ctx context.Context, g *Goods) error
	Insert(ctx context.Context, items []Item) error
	Declare(ctx context.Context) (int, error)
	Size(ctx context.Context) (Size, error)
	Drop(ctx context.Context) error
}

// filled makes the three models of a tiny catalog on the real servers.
func filled(t *testing.T, g *Goods) (models []model, catalogs []Catalog) {
	t.Helper()
	pool, err := pgxpool.New(t.Context(), stacktest.Postgres(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	uri, database := stacktest.Mongo(t)
	client, err := mongo.Connect(options.Client().ApplyURI(uri))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Disconnect(context.Background()) }) // the process ends anyway
	models = []model{NewEAV(pool), NewJSONB(pool), NewDocuments(client.Database(database))}
	for _, m := range models {
		if err := m.Fill(t.Context(), g); err != nil {
			t.Fatalf("%T: %v", m, err)
		}
		catalogs = append(catalogs, m)
	}
	return models, catalogs
}

// TestAllModelsSayTheSame, and what the goods say: before a kind of product comes that nobody had before, and after.
func TestAllModelsSayTheSame(t *testing.T) {
	g, seed := &Goods{N: 400}, rand.Uint64()
	t.Logf("seed %d", seed)
	models, catalogs := filled(t, g)
	agree := func() {
		t.Helper()
		differ, err := Compare(t.Context(), catalogs, g, 20, seed)
		if err != nil || len(differ) > 0 {
			t.Fatalf("%v, %d answers differ, as %.300q", err, len(differ), differ)
		}
	}
	likeTheGoods(t, g, catalogs[0], 1)
	agree()
	newcomers := &Goods{N: g.N, Newcomers: 100}
	for _, m := range models {
		if n, err := m.Declare(t.Context()); err != nil || n < 1 {
			t.Fatalf("%T: declared by %d statements, %v", m, n, err)
		}
		for items := range newcomers.Added() {
			if err := m.Insert(t.Context(), items); err != nil {
				t.Fatalf("%T: %v", m, err)
			}
		}
		if size, err := m.Size(t.Context()); err != nil || size.Data <= 0 || size.Indexes <= 0 {
			t.Errorf("%T: %+v, %v", m, size, err)
		}
	}
	g = newcomers
	likeTheGoods(t, g, catalogs[0], g.N+1)
	agree()
	for _, m := range models {
		if err := m.Drop(t.Context()); err != nil {
			t.Errorf("%T: %v", m, err)
		}
		if _, err := m.Show(t.Context(), 1); err == nil {
			t.Errorf("%T is dropped, and still displays a product", m)
		}
	}
}

// likeTheGoods compares one model with the goods themselves, from a product on: three that say the same could all be wrong.
func likeTheGoods(t *testing.T, g *Goods, c Catalog, from int64) {
	t.Helper()
	type question struct {
		category int64
		code     string
		value    any
	}
	found, counts := map[question][]int64{}, map[question]int64{}
	for id := from; id <= g.Total(); id++ {
		it := g.Item(id)
		if shown, err := c.Show(t.Context(), id); err != nil || !reflect.DeepEqual(shown, it) {
			t.Fatalf("product %d is displayed as %v, want %v; %v", id, shown, it, err)
		}
		for code, v := range it.Attributes {
			q := question{it.Category, code, v}
			found[q] = append(found[q], id)
			if _, number := v.(float64); !number {
				counts[question{it.Category, code, fmt.Sprint(v)}]++
			}
		}
	}
	for q, ids := range found {
		page, err := c.Filter(t.Context(), q.category, []Condition{{Code: q.code, Is: q.value}})
		if err != nil || page.Found != int64(len(ids)) || !slices.Equal(page.First, ids[:min(pageSize, len(ids))]) {
			t.Fatalf("%v: found %v, %v, want %d, %d", q, page, err, len(ids), ids)
		}
		n, number := q.value.(float64)
		if !number {
			continue
		}
		if page, err = c.Filter(t.Context(), q.category, []Condition{{Code: q.code, From: n, To: n + 0.5}}); err != nil || page.Found != int64(len(ids)) {
			t.Fatalf("%v as a range: found %v, %v, want %d", q, page, err, len(ids))
		}
	}
	last := g.Item(g.Total())
	facets, err := c.Facets(t.Context(), last.Category, KindOf(last).Facets())
	if err != nil || len(facets) == 0 {
		t.Fatalf("facets %v, %v", facets, err)
	}
	for _, f := range facets {
		if want := counts[question{last.Category, f.Code, f.Value}]; f.N != want {
			t.Errorf("%d products of category %d have %s %s, want %d", f.N, last.Category, f.Code, f.Value, want)
		}
	}
}

// TestTheComparisonBites: every value of one model is changed behind the others' backs, and it shows in all that reads.
func TestTheComparisonBites(t *testing.T) {
	g := &Goods{N: 30}
	models, catalogs := filled(t, g)
	for _, tampered := range models {
		for id := range g.Total() {
			it := g.Item(id + 1)
			for code, v := range it.Attributes {
				if err := tampered.Update(t.Context(), it.ID, code, other(v)); err != nil {
					t.Fatalf("%T: %v", tampered, err)
				}
			}
		}
		differ, err := Compare(t.Context(), catalogs, g, 20, 1)
		if err != nil {
			t.Fatal(err)
		}
		for _, op := range Operations {
			noticed := slices.ContainsFunc(differ, func(d string) bool { return strings.HasPrefix(d, op.Name) })
			if noticed == (op.Name == Update) {
				t.Errorf("%T has other values; %s: noticed %v", tampered, op.Name, noticed)
			}
		}
		for _, m := range models { // the comparison updates, too
			if err := m.Fill(t.Context(), g); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, m := range models {
		if err := m.Update(t.Context(), 1, newcomer.attributes[2].Code, "x"); !errors.Is(err, errNoValue) {
			t.Errorf("%T: a value that the product doesn't have is changed: %v", m, err)
		}
	}
}

func other(v any) any {
	switch v := v.(type) {
	case float64:
		return v + 10_000
	case bool:
		return !v
	}
	return "another"
}
