// Package feed imports a Google Merchant product feed (RSS 2.0, Atom or tab-separated) into the shop's Postgres.
//
// `freshet import google` calls Run. The feed is streamed: memory does not grow with its size, but for some twenty bytes a
// row that find an id given twice.
//
// Guarantees: a row that says what the shop already holds writes nothing, not even a lock, so nothing moves downstream. Rows
// go in by batches, each one transaction: an import that was killed is run again, passes over what is in, and goes on. A
// row that can't go in is reported with its line, its id and the reason, and takes no other row with it. Stock is changed
// through the ledger and never below what is reserved.
package feed

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/jackc/pgx/v5"
)

// actor is who moves stock, in the ledger; what the feed said last is found by it.
const actor = "import:google"

// StockPolicy says what a quantity in the feed does.
type StockPolicy string

const (
	// StockChanged sets the stock when the feed gives another figure than it last gave: an old figure must not bring back
	// what has been sold since.
	StockChanged StockPolicy = "changed"
	// StockAlways makes the feed the truth: each import sets the stock to its figures.
	StockAlways StockPolicy = "always"
	// StockNever gives stock to new variants only.
	StockNever StockPolicy = "never"
)

// Config says where a feed goes. Store and Lang are required.
type Config struct {
	Store string // code of the store whose offers these are; its currency is the feed's
	Lang  string // language of the feed's texts: one of the store's
	// Seller is the slug or name of who sells; created when there is none. Products are found again by seller and
	// external id. Default: a seller named as the store.
	Seller string
	// DefaultStock is what a variant gets that is in stock without a figure, when it is new or sold out (default 10).
	DefaultStock int64
	// Stock is the policy for figures (default StockChanged).
	Stock StockPolicy
	// TakeOver lets this feed lead products that the feed of another store or language brought first.
	TakeOver bool
	// DryRun writes nothing: each batch is carried out and rolled back.
	DryRun bool
	// Batch is how many rows make a transaction (default 500). Larger ones hold locks longer.
	Batch int
	// Reject is told of each row that did not go in; may be nil. It is called after the row's batch is decided.
	Reject func(Rejection)
	// Progress is told how many bytes of the feed were read; may be nil.
	Progress func(bytes int64)
	// Now is the moment that sale periods are compared with (default: the clock).
	Now time.Time
}

func (c Config) withDefaults() Config {
	if c.DefaultStock == 0 {
		c.DefaultStock = 10
	}
	if c.Stock == "" {
		c.Stock = StockChanged
	}
	if c.Batch == 0 {
		c.Batch = 500
	}
	if c.Reject == nil {
		c.Reject = func(Rejection) {}
	}
	if c.Progress == nil {
		c.Progress = func(int64) {}
	}
	if c.Now.IsZero() {
		c.Now = time.Now()
	}
	return c
}

func (c Config) validate() error {
	var problems []error
	if c.Store == "" {
		problems = append(problems, errors.New("no store is given"))
	}
	if !languages[c.Lang] {
		problems = append(problems, fmt.Errorf("language %q: want it, fr, de, es or en", c.Lang))
	}
	if c.DefaultStock < 0 || c.DefaultStock > maxQuantity {
		problems = append(problems, fmt.Errorf("default stock %d: want 0 to %d", c.DefaultStock, maxQuantity))
	}
	if c.Batch < 1 || c.Batch > 10_000 {
		problems = append(problems, fmt.Errorf("batch of %d rows: want 1 to 10000", c.Batch))
	}
	switch c.Stock {
	case StockChanged, StockAlways, StockNever:
	default:
		problems = append(problems, fmt.Errorf("stock policy %q: want changed, always or never", c.Stock))
	}
	return errors.Join(problems...)
}

var languages = map[string]bool{"it": true, "fr": true, "de": true, "es": true, "en": true}

// Rejection is a row that did not go in.
type Rejection struct {
	Line   int    `json:"line"` // where the row begins
	ID     string `json:"id,omitempty"`
	Reason string `json:"reason"`
}

func (r *Rejection) Error() string {
	if r.ID == "" {
		return fmt.Sprintf("line %d: %s", r.Line, r.Reason)
	}
	return fmt.Sprintf("line %d, id %q: %s", r.Line, r.ID, r.Reason)
}

// Summary counts rows; each is one of inserted (its variant is new), updated, unchanged and rejected.
type Summary struct {
	Rows       int64         `json:"rows"`
	Inserted   int64         `json:"inserted"`
	Updated    int64         `json:"updated"`
	Unchanged  int64         `json:"unchanged"`
	Rejected   int64         `json:"rejected"`
	Products   int64         `json:"products"`   // made
	Categories int64         `json:"categories"` // made
	Brands     int64         `json:"brands"`     // made
	DryRun     bool          `json:"dry_run"`
	Elapsed    time.Duration `json:"elapsed_ns"`
}

// Run imports the feed that in holds, on conn. The summary is of what was committed, also when an error ends it.
func Run(ctx context.Context, conn *pgx.Conn, in io.Reader, cfg Config) (Summary, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return Summary{}, err
	}
	start := time.Now()
	im := &importer{cfg: cfg, conn: conn, seen: map[uint64]struct{}{}}
	im.summary.DryRun = cfg.DryRun
	err := im.run(ctx, in)
	im.summary.Elapsed = time.Since(start)
	return im.summary, err
}

// importer is one import under way.
type importer struct {
	cfg     Config
	conn    *pgx.Conn
	store   storeRow
	scope   []byte // begins the content hashes of the products that this feed leads
	known   *known // nil: load again before the next batch
	summary Summary
	seen    map[uint64]struct{} // hashes of the ids that were read
}

// storeRow is the store the feed is for.
type storeRow struct {
	ID        int64
	Currency  string
	Languages []string
	TreeID    int64
}

func (im *importer) run(ctx context.Context, in io.Reader) error {
	if err := im.findStore(ctx); err != nil {
		return err
	}
	im.scope = scopeOf(im.store.ID, im.cfg.Lang)
	counted := &counter{in: in}
	rows, err := open(counted)
	if err != nil {
		return err
	}
	var batch []item
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		raw, err := rows.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if rejected := im.read(raw, err, &batch); rejected != nil {
			// What was read before the fault is good and goes in.
			return errors.Join(fmt.Errorf("read the feed: %w", rejected), im.flush(ctx, batch))
		}
		if len(batch) == im.cfg.Batch {
			if err := im.flush(ctx, batch); err != nil {
				return err
			}
			batch = batch[:0]
			im.cfg.Progress(counted.bytes)
		}
	}
	if err := im.flush(ctx, batch); err != nil {
		return err
	}
	im.cfg.Progress(counted.bytes)
	if im.summary.Rows == 0 {
		return errors.New("the feed holds no items")
	}
	return nil
}

// read turns a raw row into an item of the batch, or reports it. It returns an error that ends the import.
func (im *importer) read(raw rawRow, err error, batch *[]item) error {
	var rejection *Rejection
	if err != nil && !errors.As(err, &rejection) {
		return err
	}
	im.summary.Rows++
	if rejection == nil {
		var it item
		if it, rejection = parseItem(raw, im.store.Currency, im.cfg.Now); rejection == nil {
			rejection = im.firstTime(it)
		}
		if rejection == nil {
			*batch = append(*batch, it)
			return nil
		}
	}
	im.reject(*rejection)
	return nil
}

// firstTime rejects an id that the feed gave before: of two rows the later would win, and again on each import.
func (im *importer) firstTime(it item) *Rejection {
	key := shortHash(it.id)
	if _, twice := im.seen[key]; twice {
		return &Rejection{it.line, it.id, "the feed has this id on an earlier line too"}
	}
	im.seen[key] = struct{}{}
	return nil
}

func (im *importer) reject(r Rejection) {
	im.summary.Rejected++
	im.cfg.Reject(r)
}

func (im *importer) findStore(ctx context.Context) error {
	const query = `select id, currency, languages, tree_id from stores where code = $1`
	rows, err := im.conn.Query(ctx, query, im.cfg.Store)
	if err != nil {
		return fmt.Errorf("find store %q: %w", im.cfg.Store, err)
	}
	im.store, err = pgx.CollectExactlyOneRow(rows, pgx.RowToStructByPos[storeRow])
	if errors.Is(err, pgx.ErrNoRows) {
		return fmt.Errorf("there is no store with code %q", im.cfg.Store)
	}
	if err != nil {
		return fmt.Errorf("find store %q: %w", im.cfg.Store, err)
	}
	for _, lang := range im.store.Languages {
		if lang == im.cfg.Lang {
			return nil
		}
	}
	return fmt.Errorf("store %s has no language %s, only %v", im.cfg.Store, im.cfg.Lang, im.store.Languages)
}

// counter counts what is read through it.
type counter struct {
	in    io.Reader
	bytes int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.in.Read(p)
	c.bytes += int64(n)
	return n, err
}
