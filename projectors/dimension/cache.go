package dimension

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"freshet/projectors/document"
)

// CollectionName is the collection of the rows and of the version document.
const CollectionName = "dimensions"

// versionID is the _id of the document {n} that counts the stored batches of changes.
const versionID = "_version"

// CacheConfig says how a Cache keeps fresh.
type CacheConfig struct {
	// Interval between two looks at the version; default 250 ms. Longer means that a page shows an old category name for
	// longer, shorter costs a read by _id each time.
	Interval time.Duration
	Logger   *slog.Logger // default slog.Default()
}

// Cache holds the newest Set it knows of. Its methods may be called from any goroutine.
type Cache struct {
	rows     *mongo.Collection
	interval time.Duration
	logger   *slog.Logger
	set      atomic.Pointer[Set]
	loading  sync.Mutex
}

// NewCache returns a cache that holds an empty Set of version 0 until Refresh or Run has loaded one.
func NewCache(db *mongo.Database, config CacheConfig) *Cache {
	if config.Interval <= 0 {
		config.Interval = 250 * time.Millisecond
	}
	if config.Logger == nil {
		config.Logger = slog.Default()
	}
	c := &Cache{rows: db.Collection(CollectionName, document.Durable()), interval: config.Interval, logger: config.Logger}
	c.set.Store(NewSet(0, Rows{}))
	return c
}

// Get returns the newest Set loaded; never nil.
func (c *Cache) Get() *Set { return c.set.Load() }

// Run keeps the cache fresh until the context ends. A store that can't be reached is logged once for each outage; Get
// goes on answering with what was loaded last.
func (c *Cache) Run(ctx context.Context) error {
	ticker := time.NewTicker(c.interval)
	defer ticker.Stop()
	failing := false
	for {
		err := c.Refresh(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil && !failing:
			c.logger.Warn("dimensions can't be refreshed, the last ones stay in use", "version", c.Get().Version(), "error", err)
		case err == nil && failing:
			c.logger.Info("dimensions are refreshed again", "version", c.Get().Version())
		}
		failing = err != nil
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// Refresh loads the dimensions again if their version has moved. When it returns nil, Get is at least as new as the store
// was when Refresh was called.
func (c *Cache) Refresh(ctx context.Context) error {
	c.loading.Lock()
	defer c.loading.Unlock()
	// The version is read before the rows: what is stored in between is then read early, never missed. The projector stores
	// the rows first and counts the version up after.
	version, err := c.version(ctx)
	if err != nil {
		return err
	}
	if version == c.Get().Version() {
		return nil
	}
	rows, err := c.load(ctx)
	if err != nil {
		return err
	}
	c.set.Store(NewSet(version, rows))
	return nil
}

func (c *Cache) version(ctx context.Context) (int64, error) {
	var doc struct {
		N int64 `bson:"n"`
	}
	err := c.rows.FindOne(ctx, bson.D{{Key: "_id", Value: versionID}}).Decode(&doc)
	if err != nil && !errors.Is(err, mongo.ErrNoDocuments) {
		return 0, fmt.Errorf("read the version of the dimensions: %w", err)
	}
	return doc.N, nil
}

func (c *Cache) load(ctx context.Context) (Rows, error) {
	rows := Rows{Forms: make(map[string][]Form)}
	for table, into := range map[string]func(*Row) error{
		"stores":          appendRow(&rows.Stores),
		"categories":      appendRow(&rows.Categories),
		"category_texts":  appendRow(&rows.Texts),
		"brands":          appendRow(&rows.Brands),
		"sellers":         appendRow(&rows.Sellers),
		"attribute_defs":  appendRow(&rows.Attributes),
		"search_synonyms": appendRow(&rows.Synonyms),
		"search_rules":    appendRow(&rows.Rules),
		"search_facets":   appendRow(&rows.Facets),
		"search_banners":  appendRow(&rows.Banners),
	} {
		if err := c.loadTable(ctx, table, rows.Forms, into); err != nil {
			return Rows{}, fmt.Errorf("load dimension %s: %w", table, err)
		}
	}
	return rows, nil
}

func (c *Cache) loadTable(ctx context.Context, table string, forms map[string][]Form, into func(*Row) error) error {
	from, to := tableRange(table)
	cursor, err := c.rows.Find(ctx, bson.D{{Key: "_id", Value: bson.D{{Key: "$gte", Value: from}, {Key: "$lt", Value: to}}}},
		options.Find().SetProjection(bson.D{{Key: "row", Value: 1}, {Key: "deleted", Value: 1}, {Key: "forms", Value: 1}}).SetBatchSize(1000))
	if err != nil {
		return err
	}
	var docs []Row
	if err := cursor.All(ctx, &docs); err != nil {
		return err
	}
	for i := range docs {
		if len(docs[i].Forms) > 0 {
			forms[docs[i].ID] = docs[i].Forms
		}
		if err := into(&docs[i]); err != nil {
			return fmt.Errorf("row %s: %w", docs[i].ID, err)
		}
	}
	return nil
}

// tableRange returns the bounds of the _ids of a table's rows, the second excluded.
func tableRange(table string) (from, to string) { return table + ":", table + ";" }

func appendRow[T any](list *[]T) func(*Row) error {
	return func(doc *Row) error {
		if doc.Deleted {
			return nil
		}
		var row T
		if err := json.Unmarshal(doc.Row, &row); err != nil {
			return err
		}
		*list = append(*list, row)
		return nil
	}
}
