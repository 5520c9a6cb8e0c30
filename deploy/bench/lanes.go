package bench

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
)

// LanesConfig says what is changed in bulk, and how often a single change is watched meanwhile.
type LanesConfig struct {
	Prices   int           // rows of a price import, default 100,000
	Products int           // products that move to another category, default 5,000
	Batch    int           // rows of one transaction of the bulk, default all
	Probes   float64       // changes that are watched, per second; default 2
	Quiet    time.Duration // for which they are watched before there is any bulk; default 10 s
	Most     time.Duration // that is measured beside one bulk; default until the readers show all of it
	Timeout  time.Duration // after which a change counts as not shown; default 60 s
}

func (c *LanesConfig) defaults() {
	if c.Prices <= 0 {
		c.Prices = 100_000
	}
	if c.Products <= 0 {
		c.Products = 5_000
	}
	if c.Batch <= 0 {
		c.Batch = math.MaxInt
	}
	if c.Quiet <= 0 {
		c.Quiet = 10 * time.Second
	}
	if c.Most <= 0 {
		c.Most = time.Hour
	}
	if c.Timeout <= 0 {
		c.Timeout = time.Minute
	}
}

func (c *LanesConfig) setting() map[string]string {
	batch := "all rows"
	if c.Batch < math.MaxInt {
		batch = fmt.Sprintf("%d rows", c.Batch)
	}
	setting := map[string]string{"a transaction of the bulk": batch, "time-out": c.Timeout.String()}
	if c.Most < time.Hour {
		setting["beside a bulk at most"] = c.Most.String()
	}
	return setting
}

// Lanes changes prices one by one and measures how long each takes to show while nothing else happens, while thousands of
// products move to another category, and while a hundred thousand prices are imported. Each measurement lasts until the
// readers show all of the bulk, or as long as it may. The bulk keeps away from the offers that are watched, and is put back.
func Lanes(ctx context.Context, t Target, cfg LanesConfig) (report *Report, err error) {
	cfg.defaults()
	pool, err := openPool(ctx, t.PostgresURL, 24)
	if err != nil {
		return nil, err
	}
	defer pool.Close()
	c, err := newClient(t.Read, "", 1024)
	if err != nil {
		return nil, err
	}
	defer c.close()
	probing := FreshnessConfig{Probes: cfg.Probes, Timeout: cfg.Timeout}
	probing.defaults()
	l := &lanes{cfg: cfg, freshness: &freshness{t: t, cfg: probing, c: c, watch: newWatcher(c), pool: pool}}
	if err := l.choose(ctx); err != nil {
		return nil, err
	}
	bulks, err := l.bulks(ctx)
	if err != nil {
		return nil, err
	}
	report = t.report(ctx, "lanes", cfg.setting())
	if err := l.quiet(ctx, report); err != nil {
		return nil, err
	}
	for _, b := range bulks {
		if err := l.beside(ctx, report, b); err != nil {
			return nil, fmt.Errorf("beside %s: %w", b.what, err)
		}
	}
	return report, caughtUp(ctx, t.Note, c, pool)
}

type lanes struct {
	*freshness
	cfg LanesConfig
}

// quiet measures with nothing beside.
func (l *lanes) quiet(ctx context.Context, report *Report) error {
	if err := caughtUp(ctx, l.t.Note, l.c, l.pool); err != nil {
		return err
	}
	shown := newSamples()
	if err := l.probes(ctx, l.cfg.Quiet, nil, shown); err != nil {
		return err
	}
	l.rows(report, "nothing beside", shown, 0, 0)
	return nil
}

// beside measures while a bulk is written and until all of it is shown, and puts it back.
func (l *lanes) beside(ctx context.Context, report *Report, b bulk) (err error) {
	if err := caughtUp(ctx, l.t.Note, l.c, l.pool); err != nil {
		return err
	}
	l.t.Note("%s: %d rows", b.what, len(b.rows))
	shown, through := newSamples(), make(chan struct{})
	var took time.Duration
	defer func() { err = errors.Join(err, l.write(context.WithoutCancel(ctx), b.undo, b)) }()
	err = together(ctx, func(ctx context.Context) error {
		defer close(through)
		began := time.Now()
		if err := l.write(ctx, b.do, b); err != nil {
			return err
		}
		bounded, cancel := context.WithTimeout(ctx, l.cfg.Most)
		defer cancel()
		err := caughtUp(bounded, l.t.Note, l.c, l.pool)
		took = time.Since(began)
		if bounded.Err() != nil && ctx.Err() == nil {
			l.t.Note("%s is not shown whole yet", b.what)
			return nil
		}
		return err
	}, func(ctx context.Context) error { return l.probes(ctx, time.Hour, through, shown) })
	if err != nil {
		return err
	}
	l.rows(report, b.what, shown, len(b.rows), took)
	return nil
}

func (l *lanes) rows(report *Report, beside string, shown *samples, rows int, took time.Duration) {
	for _, model := range models {
		row := shown.row(report, beside+": commit to "+model, model)
		row.Set("bulk rows", float64(rows))
		row.Set("for s", took.Seconds())
		l.t.Note("%s: p50 %g ms, p99 %g ms, %g late", row.What, row.Figures["p50 ms"], row.Figures["p99 ms"], row.Figures["errors"])
	}
	shown.complain(report)
}

// bulk is many rows that are changed, and how they are changed back. Its statements join u(a, b, c).
type bulk struct {
	what     string
	rows     [][3]string
	do, undo string
}

// write changes the rows of the bulk, so many in a transaction.
func (l *lanes) write(ctx context.Context, statement string, b bulk) error {
	for from := 0; from < len(b.rows); {
		to := from + min(l.cfg.Batch, len(b.rows)-from)
		var columns [3][]string
		for _, row := range b.rows[from:to] {
			for i, value := range row {
				columns[i] = append(columns[i], value)
			}
		}
		if _, err := l.pool.Exec(ctx, statement, columns[0], columns[1], columns[2]); err != nil {
			return fmt.Errorf("change rows %d to %d: %w", from, to, err)
		}
		from = to
	}
	return nil
}

// bulks chooses the rows, none of them of a product that is watched.
func (l *lanes) bulks(ctx context.Context) ([]bulk, error) {
	watched := make([]int64, len(l.all))
	for i, c := range l.all {
		watched[i] = c.product
	}
	const u = " from unnest($1::text[], $2::text[], $3::text[]) u (a, b, c) where "
	prices := bulk{
		what: "a price import",
		do:   "update prices set amount = amount + 1" + u + "store_id = a::bigint and sku = b",
		undo: "update prices set amount = amount - 1" + u + "store_id = a::bigint and sku = b",
	}
	moves := bulk{
		what: "a move of products",
		do:   "update product_categories set category_id = c::bigint" + u + "product_id = a::bigint and category_id = b::bigint",
		undo: "update product_categories set category_id = b::bigint" + u + "product_id = a::bigint and category_id = c::bigint",
	}
	var err error
	if prices.rows, err = l.choices(ctx, `select store_id::text, sku, '' from prices
		where product_id <> all($1) and amount < 1e10 order by product_id, store_id, sku limit $2`, watched, l.cfg.Prices); err != nil {
		return nil, fmt.Errorf("choose prices: %w", err)
	}
	// Siblings, so that the categories above, where the watched offers are looked for, keep their best.
	moves.rows, err = l.choices(ctx, `select distinct on (pc.product_id) pc.product_id::text, pc.category_id::text, s.id::text from product_categories pc
		join categories c on c.id = pc.category_id join categories s on s.parent_id = c.parent_id and s.id <> c.id
		where pc.product_id <> all($1)
			and not exists (select from product_categories o where o.product_id = pc.product_id and o.category_id = s.id)
		order by pc.product_id, pc.category_id, s.id limit $2`, watched, l.cfg.Products)
	if err != nil {
		return nil, fmt.Errorf("choose products to move: %w", err)
	}
	return []bulk{moves, prices}, nil
}

func (l *lanes) choices(ctx context.Context, query string, watched []int64, most int) ([][3]string, error) {
	rows, err := l.pool.Query(ctx, query, watched, strconv.Itoa(most))
	if err != nil {
		return nil, err
	}
	chosen, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (r [3]string, err error) {
		return r, row.Scan(&r[0], &r[1], &r[2])
	})
	if err == nil && len(chosen) == 0 {
		err = errEmpty
	}
	return chosen, err
}
