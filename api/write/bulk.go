package write

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"freshet/api"
)

// What one bulk upsert may be, and how many a server carries out at once: they must leave connections to those who buy.
const (
	bulkRows    = 10_000
	bulkBytes   = 64 << 20
	bulkRow     = 256 << 10 // as much as a product alone may be
	bulkTime    = 5 * time.Minute
	bulkChunk   = 200     // rows looked up together
	bulkPending = 4 << 20 // bytes of them
	bulkWriters = 4
	bulks       = 2
	mediaLines  = "application/x-ndjson"
)

// BulkResult is the answer of PUT /products: what became of the rows.
type BulkResult struct {
	Rows      int        `json:"rows"`
	Created   int        `json:"created"`
	Updated   int        `json:"updated"`
	Unchanged int        `json:"unchanged"`
	Failed    int        `json:"failed"`
	Errors    []RowError `json:"errors"`
}

// RowError is why a row was not carried out.
type RowError struct {
	Line       int         `json:"line"`
	ExternalID string      `json:"external_id,omitempty"`
	Kind       api.Kind    `json:"kind"`
	Detail     string      `json:"detail"`
	Errors     []api.Field `json:"errors,omitempty"`
}

// putProducts upserts the products of a body of lines, each a product by its seller and external id. A line is carried out
// by itself or not at all, as a PUT of it would be; what it said last time is no news, and nothing is written for it.
func (s *Shop) putProducts(c *fiber.Ctx) error {
	if media, _, err := mime.ParseMediaType(c.Get(fiber.HeaderContentType)); err != nil || media != mediaLines {
		return api.Errorf(api.MediaType, "Send the products as %s: one JSON object a line.", mediaLines)
	}
	select {
	case s.bulks <- struct{}{}:
		defer func() { <-s.bulks }()
	default:
		return api.Errorf(api.Busy, "This server carries out %d bulk upserts at once.", bulks).RetryAfter(10)
	}
	body, ctx, cancel, err := api.Stream(c, bulkBytes, bulkTime)
	if err != nil {
		return err
	}
	defer cancel()
	b := bulk{shop: s, who: callerOf(c), seen: map[rowKey]int{}, result: BulkResult{Errors: []RowError{}}}
	if err := b.run(ctx, body); err != nil {
		return err
	}
	a, err := made(http.StatusOK, 0, b.result)
	if err != nil {
		return err
	}
	return reply(c, a, b.position, "")
}

// bulk is one upsert of many products.
type bulk struct {
	shop *Shop
	who  caller
	seen map[rowKey]int // the line that a product was first on

	mu       sync.Mutex // guards what follows: rows are carried out side by side
	result   BulkResult
	position string
}

// rowKey is what a row is known by.
type rowKey struct {
	seller   int64
	external string
}

// row is a line that could be read.
type row struct {
	line    int
	product Product
	digest  [sha256.Size]byte
	id      int64 // 0 for a product that isn't there yet
}

func (r *row) key() rowKey { return rowKey{r.product.SellerID, *r.product.ExternalID} }

// run reads and carries out by turns, so that memory holds a chunk and the client is as fast as the database.
func (b *bulk) run(ctx context.Context, body io.Reader) error {
	in, pending, bytes := lines{in: bufio.NewReaderSize(body, 64<<10)}, []row(nil), 0
	for {
		line, err := in.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return b.stopped(err)
		}
		if b.result.Rows == bulkRows {
			return b.stopped(api.Errorf(api.TooLarge, "A bulk upsert takes %d rows.", bulkRows))
		}
		b.result.Rows++
		r, err := b.read(line, in.number)
		if err != nil {
			b.fail(r, err)
			continue
		}
		pending, bytes = append(pending, r), bytes+len(line)
		if len(pending) == bulkChunk || bytes > bulkPending {
			if err := b.carryOut(ctx, pending); err != nil {
				return b.stopped(err)
			}
			pending, bytes = pending[:0], 0
		}
	}
	if err := b.carryOut(ctx, pending); err != nil {
		return b.stopped(err)
	}
	slices.SortFunc(b.result.Errors, func(x, y RowError) int { return x.Line - y.Line })
	return nil
}

// stopped says how far the request came: what was carried out stays, and finds itself unchanged when it comes again.
func (b *bulk) stopped(err error) error {
	e := new(api.Error)
	if err = translate(err); !errors.As(err, &e) {
		return err
	}
	e.Detail += fmt.Sprintf(" %d products were created and %d updated before; sent again they are unchanged.", b.result.Created, b.result.Updated)
	return e
}

// read makes a row of a line.
func (b *bulk) read(line []byte, number int) (row, error) {
	r := row{line: number}
	if line == nil {
		return r, api.Errorf(api.TooLarge, "The line is longer than %d bytes.", bulkRow)
	}
	if err := api.Decode(line, &r.product); err != nil {
		return r, err
	}
	if err := r.product.check(b.who); err != nil {
		return r, err
	}
	if r.product.ExternalID == nil {
		return r, api.Errorf(api.Unprocessable, "A bulk upsert knows a product by its external id.").At("external_id")
	}
	if first, twice := b.seen[r.key()]; twice {
		return r, api.Errorf(api.Unprocessable, "Line %d has this product.", first).At("external_id")
	}
	b.seen[r.key()] = number
	// What counts is what was understood, not its bytes: white space and the order of members may differ.
	canonical, err := json.Marshal(&r.product)
	if err != nil {
		return r, fmt.Errorf("digest line %d: %w", number, err)
	}
	r.digest = sha256.Sum256(canonical)
	return r, nil
}

// carryOut writes the rows that are news, side by side.
func (b *bulk) carryOut(ctx context.Context, rows []row) error {
	news, err := b.news(ctx, rows)
	if err != nil {
		return err
	}
	b.result.Unchanged += len(rows) - len(news)
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(bulkWriters)
	for _, r := range news {
		group.Go(func() error { return b.write(ctx, r) })
	}
	return group.Wait()
}

// news leaves out the rows that say what they said last time. It takes no lock: a row that is no news leaves no trace.
func (b *bulk) news(ctx context.Context, rows []row) ([]row, error) {
	sellers, externals := make([]int64, len(rows)), make([]string, len(rows))
	for i := range rows {
		sellers[i], externals[i] = rows[i].product.SellerID, *rows[i].product.ExternalID
	}
	const query = `select x.place, p.id, d.digest from unnest($1::bigint[], $2::text[]) with ordinality as x(seller, external, place)
		join products p on p.seller_id = x.seller and p.external_id = x.external left join product_digests d on d.product_id = p.id`
	found, err := b.shop.pool.Query(ctx, query, sellers, externals)
	if err != nil {
		return nil, fmt.Errorf("look up the products of a bulk upsert: %w", err)
	}
	var place, id int64
	var digest []byte
	same := make([]bool, len(rows))
	if _, err := pgx.ForEachRow(found, []any{&place, &id, &digest}, func() error {
		rows[place-1].id = id
		same[place-1] = string(digest) == string(rows[place-1].digest[:])
		return nil
	}); err != nil {
		return nil, fmt.Errorf("look up the products of a bulk upsert: %w", err)
	}
	var news []row
	for i := range rows {
		if !same[i] {
			news = append(news, rows[i])
		}
	}
	return news, nil
}

// write carries one row out, in a transaction of its own. What is wrong with the row is the row's; what is wrong with the
// database ends the request.
func (b *bulk) write(ctx context.Context, r row) error {
	var changed int64
	position, err := b.shop.transact(ctx, func(tx *unit) error {
		w := writer{tx: tx, who: b.who, product: &r.product, id: r.id, feeds: true}
		action, change := "product.put", w.update
		if r.id == 0 {
			action, change = "product.create", w.insert
		}
		if err := w.carryOut(ctx, action, change); err != nil {
			return err
		}
		changed = w.changed
		return w.remember(ctx, r.digest[:])
	})
	if kind := api.KindOf(err); err != nil && (kind == api.Internal || kind == api.Unavailable) {
		return err
	}
	if err != nil {
		b.fail(r, err)
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.position = position
	switch {
	case r.id == 0:
		b.result.Created++
	case changed > 0:
		b.result.Updated++
	default:
		b.result.Unchanged++
	}
	return nil
}

// fail notes what is wrong with a row.
func (b *bulk) fail(r row, err error) {
	failure := RowError{Line: r.line, Kind: api.KindOf(err), Detail: "The line can't be carried out."}
	if e := new(api.Error); errors.As(err, &e) {
		failure.Detail, failure.Errors = e.Detail, e.Fields
	}
	if r.product.ExternalID != nil {
		failure.ExternalID = cut(*r.product.ExternalID, 100)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.result.Failed++
	b.result.Errors = append(b.result.Errors, failure)
}
