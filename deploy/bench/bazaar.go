package bench

import (
	"context"
	"crypto/rand"
	_ "embed"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"golang.org/x/sync/errgroup"

	"freshet/deploy/postgres"
	"freshet/deploy/seed"
	"freshet/projectors/dimension"
	offerview "freshet/projectors/view" // view is a probe's here
	"freshet/search"
	"freshet/search/relevance"
)

//go:embed searchers.sql
var searchersSchema string

// bazaar is one assortment in three engines, in databases and indices of its own.
type bazaar struct {
	t      Target
	name   string
	admin  *pgx.Conn
	pool   *pgxpool.Pool
	client *mongo.Client
	dims   *dimension.Set
	offers []*offerview.Offer
	// selectable are the offers to draw pages from: in stock, with a brand and a keyword to select.
	selectable []*offerview.Offer
}

// shelved is what the index holds of an offer, and the categories above its own: the other engines keep them with the offer,
// so that they count a level of the tree as they count anything else.
type shelved struct {
	search.Document
	above []string
}

// languages are those that the offer has words in.
func (d *shelved) languages() []string { return slices.Sorted(maps.Keys(d.Names)) }

// shelves are what an engine is filled and weighed by.
type shelves interface {
	write(ctx context.Context, docs []shelved) error
	settle(ctx context.Context) error // after the last write
	bytes(ctx context.Context) (int64, error)
}

// engine is one of those that are compared.
type engine struct {
	name string
	relevance.Searcher
	shelves
}

// The engines.
const (
	engineOurs     = "Freshet"
	enginePostgres = "Postgres"
	engineMongo    = "MongoDB"
)

var engineNames = []string{engineOurs, enginePostgres, engineMongo}

// bazaarPatience bounds a search, whatever is asked of MongoDB, and half of the removal, so that a server that hangs ends the run.
const bazaarPatience = 5 * time.Minute

func newBazaar(t Target) *bazaar {
	return &bazaar{t: t, name: "freshet_searchers_" + strings.ToLower(rand.Text()[:8])}
}

// open makes the databases and the shop in one of them.
func (b *bazaar) open(ctx context.Context, stores, products int) (err error) {
	if b.client, err = mongo.Connect(options.Client().ApplyURI(b.t.MongoURL).SetAppName("freshet bench").SetTimeout(bazaarPatience)); err != nil {
		return fmt.Errorf("connect to MongoDB: %w", err)
	}
	if b.admin, err = pgx.Connect(ctx, b.t.PostgresURL); err != nil {
		return fmt.Errorf("connect to Postgres: %w", err)
	}
	own, err := createDatabase(ctx, b.admin, b.t.PostgresURL, b.name)
	if err != nil {
		return err
	}
	// What is counted is kept aside once for each page: on disk it would be Postgres' setting that is measured.
	for _, setting := range []string{"work_mem = '64MB'", "jit = off"} {
		if _, err := b.admin.Exec(ctx, "alter database "+b.name+" set "+setting); err != nil {
			return fmt.Errorf("set %s: %w", setting, err)
		}
	}
	if _, err := postgres.Migrate(ctx, own); err != nil {
		return err
	}
	if b.pool, err = openPool(ctx, own, 2*writersOfDocuments); err != nil {
		return err
	}
	return b.seed(ctx, stores, products)
}

func (b *bazaar) seed(ctx context.Context, stores, products int) error {
	conn, err := b.pool.Acquire(ctx)
	if err != nil {
		return fmt.Errorf("connect to seed: %w", err)
	}
	defer conn.Release()
	if _, err := seed.Run(ctx, conn.Conn(), seed.Config{Stores: stores, Products: products}, nil); err != nil {
		return err
	}
	for _, schema := range []string{homeSchema, searchersSchema} {
		if _, err := conn.Exec(ctx, schema); err != nil {
			return fmt.Errorf("prepare the tables: %w", err)
		}
	}
	if b.dims, err = readDimensions(ctx, b.pool); err != nil {
		return err
	}
	if b.offers, err = readOffers(ctx, b.pool); err != nil {
		return err
	}
	for _, v := range b.offers {
		if code, _ := b.keywordOf(v); code != "" && v.Brand != 0 && v.InStock() {
			b.selectable = append(b.selectable, v)
		}
	}
	if len(b.selectable) == 0 {
		return errNothingOffered
	}
	return nil
}

// engines makes empty ones for an assortment.
func (b *bazaar) engines(ctx context.Context, assortment string, dims *dimension.Set) ([]engine, error) {
	index, err := newOurs(ctx, b.t.ElasticURL, b.prefix(assortment))
	if err != nil {
		return nil, err
	}
	tables, err := newFullText(ctx, b.pool, "bench_"+assortment, dims)
	if err != nil {
		return nil, err
	}
	list, err := newWordList(ctx, b.client.Database(b.name), assortment)
	if err != nil {
		return nil, err
	}
	return []engine{{engineOurs, index, index}, {enginePostgres, tables, tables}, {engineMongo, list, list}}, nil
}

// The assortments: the shop's, and the catalog that the judgments are about.
const (
	assortmentShop   = "shop"
	assortmentJudged = "judged"
)

var assortments = []string{assortmentShop, assortmentJudged}

func (b *bazaar) prefix(assortment string) string {
	return strings.ReplaceAll(b.name, "_", "-") + "-" + assortment
}

// documentsOf makes the documents of offers as projectors/index does.
func documentsOf(offers []*offerview.Offer, dims *dimension.Set) []shelved {
	var docs []shelved
	for _, v := range offers {
		var above []string
		for _, c := range v.Categories {
			for _, one := range dims.Path(c.ID) {
				above = append(above, texts([]int64{one.ID})...)
			}
		}
		slices.Sort(above)
		docs = append(docs, shelved{Document: search.FromView(v, dims), above: slices.Compact(above)})
	}
	return docs
}

// Offers come in batches, several at a time.
const (
	offersAtOnce       = 400
	writersOfDocuments = 2
)

// fill writes the offers to an engine, and returns how long it took.
func fill(ctx context.Context, e *engine, offers []*offerview.Offer, dims *dimension.Set) (time.Duration, error) {
	begun := time.Now()
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(writersOfDocuments)
	for batch := range slices.Chunk(offers, offersAtOnce) {
		group.Go(func() error {
			return e.write(groupCtx, documentsOf(batch, dims))
		})
	}
	err := group.Wait()
	if err == nil {
		err = e.settle(ctx)
	}
	if err != nil {
		return 0, fmt.Errorf("fill %s: %w", e.name, err)
	}
	return time.Since(begun), nil
}

// close drops the indices and the databases.
func (b *bazaar) close(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 2*bazaarPatience)
	defer cancel()
	errs := []error{b.dropIndices(ctx)}
	if b.pool != nil {
		b.pool.Close()
	}
	if b.admin != nil {
		_, err := b.admin.Exec(ctx, "drop database if exists "+b.name+" with (force)")
		errs = append(errs, err, b.admin.Close(ctx))
	}
	if b.client != nil {
		errs = append(errs, dropCollections(ctx, b.client.Database(b.name)), b.client.Disconnect(ctx))
	}
	return errors.Join(errs...)
}

// dropCollections empties a database before it drops it: the stand-in answers nobody for minutes while it drops a full one.
func dropCollections(ctx context.Context, db *mongo.Database) error {
	for _, assortment := range assortments {
		if err := db.Collection(assortment).Drop(ctx); err != nil {
			return fmt.Errorf("drop the collection %s: %w", assortment, err)
		}
	}
	if err := db.Drop(ctx); err != nil {
		return fmt.Errorf("drop the database in MongoDB: %w", err)
	}
	return nil
}

func (b *bazaar) dropIndices(ctx context.Context) error {
	client, err := search.Open([]string{b.t.ElasticURL})
	if err != nil {
		return err
	}
	var errs []error
	for _, assortment := range assortments {
		errs = append(errs, (&search.Indices{Client: client, Prefix: b.prefix(assortment)}).Drop(ctx))
	}
	return errors.Join(errs...)
}
