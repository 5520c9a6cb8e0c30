// Package seed fills an empty shop with a believable assortment: stores, category trees, products, prices, stock and
// ninety days of sales, in five languages.
//
// `freshet seed`, the tests and the benchmarks call Run. Guarantees: the same Config gives the same rows, ids and
// timestamps included, on every machine; everything is loaded in one transaction, so that a shop is seeded wholly or not
// at all; a shop that holds anything is refused; the ledger adds up, and every foreign key is checked before the commit.
package seed

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// ErrNotEmpty says that the database holds a shop already; nothing was changed.
var ErrNotEmpty = errors.New("the shop is not empty")

// Config says how large a shop to make. The zero value is the default shop.
type Config struct {
	// Stores is how many stores (default 12). Of twelve, five are department stores that sell everything, one for each
	// market; the others sell one kind.
	Stores int
	// Products is how many products (default 3,000), a quarter of each kind. A store offers nine tenths of what it could.
	Products int
	// Orders is how many orders of the last ninety days (default two for each product).
	Orders int
	// Seed chooses among shops of the same size (default 1).
	Seed uint64
	// Base is the moment the shop is made for: no row is younger (default 2026-06-30 00:00 UTC).
	Base time.Time
}

// The bounds keep ids within their formats, and a slip of the finger off the disk.
const (
	maxStores   = 10_000
	maxProducts = 5_000_000
	maxOrders   = 50_000_000
)

func (c Config) withDefaults() Config {
	if c.Stores == 0 {
		c.Stores = 12
	}
	if c.Products == 0 {
		c.Products = 3000
	}
	if c.Orders == 0 {
		c.Orders = 2 * c.Products
	}
	if c.Seed == 0 {
		c.Seed = 1
	}
	if c.Base.IsZero() {
		c.Base = time.Date(2026, 6, 30, 0, 0, 0, 0, time.UTC)
	}
	return c
}

func (c Config) validate() error {
	var problems []error
	for _, v := range []struct {
		name       string
		value, max int
	}{{"stores", c.Stores, maxStores}, {"products", c.Products, maxProducts}, {"orders", c.Orders, maxOrders}} {
		if v.value < 1 || v.value > v.max {
			problems = append(problems, fmt.Errorf("%s: %d is not within 1 to %d", v.name, v.value, v.max))
		}
	}
	return errors.Join(problems...)
}

// Meter is told how many rows of a table are in, of how many.
type Meter func(table string, done, total int64)

// Summary says what was loaded.
type Summary struct {
	Stores, Categories, Products, Offers, Orders int64
	Rows                                         int64         // of all tables
	Elapsed                                      time.Duration // making the rows, loading, checking and the commit
	// OfferElapsed is the part for the rows an offer brings (offers, prices, inventory, receipts and sales in the ledger).
	OfferElapsed time.Duration
}

// OffersPerSecond is the rate at which offers went in, with all the rows that each brings.
func (s Summary) OffersPerSecond() float64 {
	return float64(s.Offers) / max(s.OfferElapsed.Seconds(), 1e-9)
}

// Run seeds the shop that conn is connected to; meter may be nil. It returns ErrNotEmpty if there is one already.
func Run(ctx context.Context, conn *pgx.Conn, cfg Config, meter Meter) (Summary, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return Summary{}, err
	}
	if meter == nil {
		meter = func(string, int64, int64) {}
	}
	start := time.Now()
	words, err := loadVocabulary()
	if err != nil {
		return Summary{}, err
	}
	shop := newShop(cfg, words)
	l := &loader{shop: shop, meter: meter}
	if err := pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error { return l.run(ctx, tx) }); err != nil {
		return Summary{}, fmt.Errorf("seed: %w", err)
	}
	l.summary.Elapsed = time.Since(start)
	return l.summary, nil
}
