package bench

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

// AmplificationConfig says how many changes of each kind are made.
type AmplificationConfig struct {
	Times int           // of each kind, default 10
	Pause time.Duration // between two changes of a kind, default 600 ms: longer than any stage gathers
}

func (c *AmplificationConfig) defaults() {
	if c.Times <= 0 {
		c.Times = 10
	}
	if c.Pause <= 0 {
		c.Pause = 600 * time.Millisecond
	}
}

// edit is a kind of change: do changes the $1-th row there is, in an order that the change does not touch, and undo changes it
// back. A kind that is done at once is done to everything it names.
type edit struct {
	what     string
	once     bool
	do, undo string
}

// edits are from the hottest to the coldest.
func edits() []edit {
	const (
		price   = `(select ctid from prices order by md5(store_id || sku) offset $1 limit 1)`
		stock   = `(select ctid from inventory order by md5(store_id || sku) offset $1 limit 1)`
		text    = `(select ctid from product_texts where length(title) <= 297 order by md5(product_id || lang) offset $1 limit 1)`
		product = `(select id from products order by md5(id::text) offset $1 limit 1)`
		brand   = `(select id from brands where length(name) <= 197 order by md5(id::text) offset $1 limit 1)`
		name    = `(select ctid from category_texts where length(name) <= 197 order by md5(category_id || lang) offset $1 limit 1)`
		place   = `(select id from categories order by md5(id::text) offset $1 limit 1)`
		largest = `(select store_id from offers group by store_id order by count(*) desc, store_id limit 1) and $1 = 0`
	)
	lengthen := func(table, column, where string) (do, undo string) {
		return `update ` + table + ` set ` + column + ` = ` + column + ` || ' *' where ` + where,
			`update ` + table + ` set ` + column + ` = left(` + column + `, length(` + column + `) - 2) where ` + where
	}
	add := func(table, column, where string) (do, undo string) {
		return `update ` + table + ` set ` + column + ` = ` + column + ` + 1 where ` + where,
			`update ` + table + ` set ` + column + ` = ` + column + ` - 1 where ` + where
	}
	list := []edit{
		{what: "price"},
		{what: "row of stock"},
		{what: "title"},
		{what: "attribute"},
		{what: "name of a brand"},
		{what: "name of a category"},
		{what: "place of a category"},
		{what: "prices of the largest store", once: true},
	}
	list[0].do, list[0].undo = add("prices", "amount", "ctid = "+price)
	list[1].do, list[1].undo = add("inventory", "low_stock_at", "ctid = "+stock)
	list[2].do, list[2].undo = lengthen("product_texts", "title", "ctid = "+text)
	list[3].do = `update products set attributes = attributes || '{"bench": true}' where id = ` + product
	list[3].undo = `update products set attributes = attributes - 'bench' where id = ` + product
	list[4].do, list[4].undo = lengthen("brands", "name", "id = "+brand)
	list[5].do, list[5].undo = lengthen("category_texts", "name", "ctid = "+name)
	list[6].do, list[6].undo = add("categories", "position", "id = "+place)
	list[7].do, list[7].undo = add("prices", "amount", "store_id = "+largest)
	return list
}

// Amplification makes changes of each kind, one at a time, and counts what each made the system write: views on the topic,
// documents of products and offers, pages, and search documents. The counts are the servers' own: offsets, revisions,
// versions and the index's statistics. It puts everything back.
func Amplification(ctx context.Context, t Target, cfg AmplificationConfig) (report *Report, err error) {
	cfg.defaults()
	pool, err := openPool(ctx, t.PostgresURL, 2)
	if err != nil {
		return nil, err
	}
	defer pool.Close()
	read, err := newClient(t.Read, "", 16)
	if err != nil {
		return nil, err
	}
	defer read.close()
	m, err := openMeter(t)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, m.close(context.WithoutCancel(ctx))) }()
	report = t.report(ctx, "amplification", map[string]string{"changes of each kind": fmt.Sprint(cfg.Times)})
	settled := func() (*reading, error) {
		if err := caughtUp(ctx, t.Note, read, pool); err != nil {
			return nil, err
		}
		return m.stable(ctx)
	}
	for _, e := range edits() {
		row, err := measure(ctx, pool, e, cfg, t.Note, settled, m)
		if err != nil {
			return nil, fmt.Errorf("change a %s: %w", e.what, err)
		}
		report.Rows = append(report.Rows, row)
	}
	return report, nil
}

// measure makes the changes of a kind, counts, and puts them back.
func measure(ctx context.Context, pool *pgxpool.Pool, e edit, cfg AmplificationConfig, note func(string, ...any), settled func() (*reading, error), m *meter) (row Row, err error) {
	note("%s: waiting until nothing is written", e.what)
	before, err := settled()
	if err != nil {
		return row, err
	}
	rows, back, err := e.make(ctx, pool, cfg)
	defer func() { err = errors.Join(err, back(context.WithoutCancel(ctx))) }()
	if err != nil {
		return row, err
	}
	after, err := settled()
	if err != nil {
		return row, err
	}
	w, err := m.written(ctx, before, after)
	if err != nil {
		return row, err
	}
	row = Row{What: e.what}
	row.Set("rows", float64(rows))
	per := func(name string, n float64) { row.Set(name, n/float64(max(rows, 1))) }
	per("views/row", w.views)
	per("product and offer documents/row", w.documents)
	per("pages/row", w.pages)
	per("search documents/row", w.indexed)
	per("KiB to MongoDB/row", (w.documentBytes+w.pageBytes)/1024)
	per("KiB to Elasticsearch/row", w.indexedBytes/1024)
	return row, nil
}

// make makes the changes and returns how many rows it changed and what puts them back.
func (e edit) make(ctx context.Context, pool *pgxpool.Pool, cfg AmplificationConfig) (rows int64, back func(context.Context) error, err error) {
	done, times := 0, cfg.Times
	if e.once {
		times = 1
	}
	back = func(ctx context.Context) error {
		for i := range done {
			if _, err := pool.Exec(ctx, e.undo, i); err != nil {
				return fmt.Errorf("put back: %w", err)
			}
		}
		return nil
	}
	for i := range times {
		tag, err := pool.Exec(ctx, e.do, i)
		if err != nil {
			return rows, back, err
		}
		rows, done = rows+tag.RowsAffected(), done+1
		if !e.once && !sleepUntil(ctx, time.Now().Add(cfg.Pause)) {
			return rows, back, ctx.Err()
		}
	}
	return rows, back, nil
}
