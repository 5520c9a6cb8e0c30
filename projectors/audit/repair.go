package audit

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"

	"freshet/projectors"
	"freshet/projectors/recommend"
)

// maxKeys is how many rows one order to ingest may name.
const maxKeys = 1000

// maxParts is how many products and categories of a store are made again one by one; a store with more wrong is rebuilt.
const maxParts = 200

// Reread is rows to be published again, those that Postgres has no more as deletes: of the products or orders that Routes
// name, row by row, since Kafka need not know of them any longer.
type Reread struct {
	Table  string
	Keys   [][]string
	Routes []string
}

// Repair is what mends a report's differences, in two steps: first the documents that are folded from rows, by publishing
// the rows again; then, when those are right, what is made of them.
type Repair struct {
	Rereads  []Reread
	Commands []projectors.Command // without ID and Dimensions
}

// Empty says whether there is nothing to do.
func (r Repair) Empty() bool { return len(r.Rereads)+len(r.Commands) == 0 }

// Plan finds out what mends the report. The rows to publish again are those that Postgres has, and those that the wrong
// documents say it has.
func (t *Tables) Plan(ctx context.Context, report Report, stores *Stores) (Repair, error) {
	wrong, parts := newFolded(), newParts()
	for _, k := range report {
		for _, d := range slices.Concat(k.Missing, k.Extra, k.Different) {
			if k.Kind == Dimension {
				wrong.dimensions = append(wrong.dimensions, d.Key)
				continue
			}
			ids, err := numbers(k.Kind, d.Key)
			if err != nil {
				return Repair{}, err
			}
			switch k.Kind {
			case Product:
				wrong.products[ids[0]] = true
			case Offer:
				wrong.offers[[2]int64{ids[0], ids[1]}] = true
				parts.product(ids[0], ids[1])
			case Level:
				wrong.offers[[2]int64{ids[0], ids[1]}] = true
			case Order:
				wrong.orders[ids[0]] = true
			case Together:
				wrong.together[ids[0]] = true
			case Picks:
				wrong.picks[ids[0]] = true
			case Search:
				parts.product(ids[0], ids[1])
			case Node:
				parts.node(ids[0], ids[1])
			case Home:
				parts.whole[ids[0]] = true
			}
		}
	}
	offered, err := stores.offering(ctx, slices.Collect(maps.Keys(wrong.products)))
	if err != nil {
		return Repair{}, err
	}
	for _, o := range offered {
		parts.product(o[0], o[1])
	}
	if err := errors.Join(t.ordersBehind(ctx, wrong), stores.ordersBehind(ctx, wrong)); err != nil {
		return Repair{}, err
	}
	rereads, err := t.rereads(ctx, wrong, stores)
	return Repair{Rereads: rereads, Commands: parts.commands()}, err
}

// numbers reads the numbers of a key: product; store and product or category; store.
func numbers(kind Kind, key string) (ids []int64, err error) {
	want := map[Kind]int{Product: 1, Offer: 2, Search: 2, Node: 2, Home: 1, Order: 1, Level: 2, Together: 1, Picks: 1}[kind]
	if _, after, found := strings.Cut(key, "/"); found { // "<lang>/<store>:<product>"
		key = after
	}
	for part := range strings.SplitSeq(key, ":") {
		if len(ids) == want {
			break
		}
		id, err := strconv.ParseInt(part, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("%s %q: %w", kind, key, err)
		}
		ids = append(ids, id)
	}
	if len(ids) < want {
		return nil, fmt.Errorf("%s %q: want %d numbers", kind, key, want)
	}
	return ids, nil
}

// parts is what is to be made again, by store.
type parts struct {
	products, nodes map[int64]map[int64]bool
	whole           map[int64]bool
}

func newParts() *parts {
	return &parts{products: map[int64]map[int64]bool{}, nodes: map[int64]map[int64]bool{}, whole: map[int64]bool{}}
}

func (p *parts) product(store, product int64) { add(p.products, store, product) }
func (p *parts) node(store, category int64)   { add(p.nodes, store, category) }

func add(of map[int64]map[int64]bool, store, id int64) {
	if of[store] == nil {
		of[store] = map[int64]bool{}
	}
	of[store][id] = true
}

// commands are ordered by store; a rebuild of a store stands for all its parts.
func (p *parts) commands() (commands []projectors.Command) {
	for store := range p.products {
		p.whole[store] = p.whole[store] || len(p.products[store])+len(p.nodes[store]) > maxParts
	}
	for store := range p.nodes {
		p.whole[store] = p.whole[store] || len(p.products[store])+len(p.nodes[store]) > maxParts
	}
	for _, store := range slices.Sorted(maps.Keys(p.whole)) {
		if p.whole[store] {
			commands = append(commands, projectors.Command{Kind: projectors.Rebuild, Store: store})
			continue
		}
		for _, product := range slices.Sorted(maps.Keys(p.products[store])) {
			commands = append(commands, projectors.Command{Kind: projectors.Product, Store: store, Product: product})
		}
		for _, category := range slices.Sorted(maps.Keys(p.nodes[store])) {
			commands = append(commands, projectors.Command{Kind: projectors.Node, Store: store, Category: category})
		}
	}
	return commands
}

// folded are the wrong documents that rows are folded into.
type folded struct {
	products, orders map[int64]bool
	together, picks  map[int64]bool // by product, by customer
	offers           map[[2]int64]bool
	dimensions       []string // {table}:{key}
}

func newFolded() *folded {
	return &folded{
		products: map[int64]bool{}, orders: map[int64]bool{}, together: map[int64]bool{}, picks: map[int64]bool{}, offers: map[[2]int64]bool{},
	}
}

// arguments are what the row queries take, by whose rows they list.
func (f *folded) arguments() map[owner][]int64 {
	pairs := make([]int64, 0, 2*len(f.offers))
	for o := range f.offers {
		pairs = append(pairs, o[0], o[1])
	}
	return map[owner][]int64{ofProduct: slices.Collect(maps.Keys(f.products)), ofOffer: pairs, ofOrder: slices.Collect(maps.Keys(f.orders))}
}

// ordersBehind adds the orders that Postgres counts for what is recommended: the newest, as many as are looked at.
func (t *Tables) ordersBehind(ctx context.Context, wrong *folded) error {
	rows, err := t.tx.Query(ctx, `
		select o.id from unnest($1::bigint[]) p cross join lateral
			(select o.id from orders o join order_items i on i.order_id = o.id where i.product_id = p order by o.placed_at desc, o.id desc limit $3) o
		union
		select o.id from unnest($2::bigint[]) c cross join lateral
			(select id from orders where customer_id = c order by placed_at desc, id desc limit $4) o`,
		slices.Collect(maps.Keys(wrong.together)), slices.Collect(maps.Keys(wrong.picks)), recommend.Window, recommend.History)
	if err != nil {
		return fmt.Errorf("list the orders behind recommendations: %w", err)
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	if err != nil {
		return fmt.Errorf("list the orders behind recommendations: %w", err)
	}
	for _, id := range ids {
		wrong.orders[id] = true
	}
	return nil
}

// rereads lists the rows of the wrong documents, those of Postgres and those of the documents themselves.
func (t *Tables) rereads(ctx context.Context, wrong *folded, stores *Stores) ([]Reread, error) {
	found := rowSet{}
	for _, d := range wrong.dimensions {
		row := strings.Split(d, ":")
		found.put(row[0], "", row[1:]...)
	}
	if err := stores.rowsOf(ctx, wrong, found.put); err != nil {
		return nil, err
	}
	arguments := wrong.arguments()
	for _, q := range rowQueries {
		rows, err := t.tx.Query(ctx, q.sql, arguments[q.of])
		if err != nil {
			return nil, fmt.Errorf("list rows of %s: %w", q.table, err)
		}
		var route string
		var key []string
		_, err = pgx.ForEachRow(rows, []any{&route, &key}, func() error {
			found.put(q.table, route, key...)
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("list rows of %s: %w", q.table, err)
		}
	}
	return found.rereads(), nil
}

// rowSet holds rows by table, each once: its route, and behind it the values of its key.
type rowSet map[string]map[string][]string

func (r rowSet) put(table, route string, key ...string) {
	if r[table] == nil {
		r[table] = map[string][]string{}
	}
	row := append([]string{route}, key...)
	r[table][strings.Join(row, "\x00")] = row
}

func (r rowSet) rereads() (rereads []Reread) {
	for _, table := range slices.Sorted(maps.Keys(r)) {
		all := slices.SortedFunc(maps.Values(r[table]), func(a, b []string) int { return slices.CompareFunc(a, b, cmp.Compare[string]) })
		for some := range slices.Chunk(all, maxKeys) {
			reread := Reread{Table: table}
			for _, row := range some {
				reread.Keys, reread.Routes = append(reread.Keys, row[1:]), append(reread.Routes, row[0])
			}
			rereads = append(rereads, reread)
		}
	}
	return rereads
}

// owner says whose rows a query lists.
type owner int

const (
	ofProduct owner = iota
	ofOffer
	ofOrder
)

// rowQueries list the rows that a document is folded from: what routes them, which is the product or the order, and their
// keys. The stock movements are left out: the ledger is counted, and a part of it read again is no new count.
var rowQueries = []struct {
	table string
	of    owner
	sql   string
}{
	{"products", ofProduct, "select id::text, array[id::text] from products where id = any($1)"},
	{"product_texts", ofProduct, "select product_id::text, array[product_id::text, lang] from product_texts where product_id = any($1)"},
	{"variants", ofProduct, "select product_id::text, array[sku] from variants where product_id = any($1)"},
	{"product_categories", ofProduct, "select product_id::text, array[product_id::text, category_id::text] from product_categories where product_id = any($1)"},
	{"reviews", ofProduct, "select product_id::text, array[id::text] from reviews where product_id = any($1)"},
	{"offers", ofOffer, "select product_id::text, array[store_id::text, product_id::text] from offers where " + inPairs},
	{"prices", ofOffer, "select product_id::text, array[store_id::text, sku] from prices where " + inPairs},
	{"inventory", ofOffer, "select product_id::text, array[store_id::text, sku] from inventory where " + inPairs},
	{"orders", ofOrder, "select id::text, array[id::text] from orders where id = any($1)"},
	{"order_items", ofOrder, "select order_id::text, array[order_id::text, line::text] from order_items where order_id = any($1)"},
	{"payments", ofOrder, "select order_id::text, array[id::text] from payments where order_id = any($1)"},
	{"shipments", ofOrder, "select order_id::text, array[id::text] from shipments where order_id = any($1)"},
	{"shipment_events", ofOrder, "select order_id::text, array[id::text] from shipment_events where order_id = any($1)"},
	{"returns", ofOrder, "select order_id::text, array[id::text] from returns where order_id = any($1)"},
	{"refunds", ofOrder, "select order_id::text, array[id::text] from refunds where order_id = any($1)"},
}

// inPairs is true of the rows whose store and product follow each other in the list.
const inPairs = `(store_id, product_id) in (select ($1::bigint[])[i], ($1::bigint[])[i + 1] from generate_series(1, cardinality($1::bigint[]), 2) i)`

// ErrUnmended is wrapped by the error of a repair that left something wrong.
var ErrUnmended = errors.New("still wrong after the repair")
