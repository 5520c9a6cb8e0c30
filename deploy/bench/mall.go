package bench

import (
	"context"
	"crypto/rand"
	_ "embed"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"freshet/deploy/postgres"
	"freshet/deploy/seed"
	"freshet/projectors/dimension"
	"freshet/projectors/document"
	"freshet/projectors/tree"
	offerview "freshet/projectors/view" // view is a probe's here
)

//go:embed homeschema.sql
var homeSchema string

// priceWriters are the connections by which prices change.
const priceWriters = 2

// mall is many stores in databases of their own, and their home pages.
type mall struct {
	t      Target
	name   string
	admin  *pgx.Conn
	pool   *pgxpool.Pool
	client *mongo.Client
	homes  *mongo.Collection
	pages  *tree.Store
	stores []dimension.Store
	kept   map[int64]*kept
	offers []*offerview.Offer
}

// kept is the pages of a store; the lock holds from the change of a row to the writing of its pages, so that no page is
// overwritten by an older one.
type kept struct {
	mu    sync.Mutex
	homes *tree.Homes
}

func newMall(t Target) *mall {
	return &mall{t: t, name: "freshet_home_" + strings.ToLower(rand.Text()[:8]), kept: map[int64]*kept{}}
}

func (m *mall) open(ctx context.Context, stores int, cfg HomeConfig) (err error) {
	if m.client, err = mongo.Connect(options.Client().ApplyURI(m.t.MongoURL)); err != nil {
		return fmt.Errorf("connect to MongoDB: %w", err)
	}
	db := m.client.Database(m.name)
	m.homes, m.pages = db.Collection("homes", document.Durable()), tree.NewStore(db, false)
	if m.admin, err = pgx.Connect(ctx, m.t.PostgresURL); err != nil {
		return fmt.Errorf("connect to Postgres: %w", err)
	}
	own, err := createDatabase(ctx, m.admin, m.t.PostgresURL, m.name)
	if err != nil {
		return err
	}
	if _, err := postgres.Migrate(ctx, own); err != nil {
		return err
	}
	if m.pool, err = openPool(ctx, own, cfg.Readers+priceWriters); err != nil {
		return err
	}
	if err := m.seed(ctx, stores, cfg); err != nil {
		return err
	}
	return m.build(ctx)
}

func (m *mall) seed(ctx context.Context, stores int, cfg HomeConfig) error {
	conn, err := m.pool.Acquire(ctx)
	if err != nil {
		return fmt.Errorf("connect to seed: %w", err)
	}
	defer conn.Release()
	if _, err := seed.Run(ctx, conn.Conn(), seed.Config{Stores: stores, Products: cfg.Products}, nil); err != nil {
		return err
	}
	if _, err := conn.Exec(ctx, homeSchema); err != nil {
		return fmt.Errorf("prepare the tables for the query: %w", err)
	}
	return nil
}

// build makes the pages of all stores and stores them.
func (m *mall) build(ctx context.Context) error {
	dims, err := readDimensions(ctx, m.pool)
	if err != nil {
		return err
	}
	m.stores = dims.Stores()
	for _, s := range m.stores {
		m.kept[s.ID] = &kept{homes: tree.NewHomes(dims, s.ID)}
	}
	if m.offers, err = readOffers(ctx, m.pool); err != nil {
		return err
	}
	for _, v := range m.offers {
		m.kept[v.Store].homes.Apply(v)
	}
	var pages []tree.Home
	for _, s := range m.stores {
		pages = append(pages, m.kept[s.ID].homes.Changed()...)
	}
	for group := range slices.Chunk(pages, pagesAtOnce) {
		if err := m.store(ctx, group); err != nil {
			return err
		}
	}
	return nil
}

// pagesAtOnce keeps a bulk below the server's limit of a message.
const pagesAtOnce = 200

// reprice changes the price of an offer, any of them, and the pages that show it.
func (m *mall) reprice(ctx context.Context) error {
	v := m.offers[mathrand.IntN(len(m.offers))]
	k := m.kept[v.Store]
	k.mu.Lock()
	defer k.mu.Unlock()
	amount := v.Price + 1
	if _, err := m.pool.Exec(ctx, `update prices set amount = $3, list_amount = null where store_id = $1 and product_id = $2`, v.Store, v.Product, amount); err != nil {
		return fmt.Errorf("change the price of product %d in store %d: %w", v.Product, v.Store, err)
	}
	v.Version, v.Price, v.ListPrice = v.Version+1, amount, 0
	k.homes.Apply(v)
	return m.store(ctx, k.homes.Changed())
}

func (m *mall) store(ctx context.Context, pages []tree.Home) error {
	models := make([]mongo.WriteModel, len(pages))
	for i, page := range pages {
		models[i] = mongo.NewReplaceOneModel().SetFilter(bson.D{{Key: "_id", Value: page.ID}}).SetReplacement(page).SetUpsert(true)
	}
	if len(models) == 0 {
		return nil
	}
	if _, err := m.homes.BulkWrite(ctx, models, options.BulkWrite().SetOrdered(false)); err != nil {
		return fmt.Errorf("store %d home pages: %w", len(pages), err)
	}
	return nil
}

// close drops the databases.
func (m *mall) close(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	var errs []error
	if m.pool != nil {
		m.pool.Close()
	}
	if m.admin != nil {
		_, err := m.admin.Exec(ctx, "drop database if exists "+m.name+" with (force)")
		errs = append(errs, err, m.admin.Close(ctx))
	}
	if m.client != nil {
		errs = append(errs, m.client.Database(m.name).Drop(ctx), m.client.Disconnect(ctx))
	}
	return errors.Join(errs...)
}
