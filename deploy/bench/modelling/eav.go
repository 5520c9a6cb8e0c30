package modelling

import (
	"context"
	_ "embed"
	"fmt"
	"strings"
	"sync"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

//go:embed eav.sql
var eavTables string

//go:embed eavindexes.sql
var eavIndexes string

// EAV keeps a row for each value of each product, in the schema bench_eav. The registry is a table that the rows refer to; its
// numbers are known by heart, as every server knows a small table; a kind is declared while others write.
type EAV struct {
	pool              *pgxpool.Pool
	attributes, kinds numbers
}

// numbers are those of a registry's rows, by code.
type numbers struct{ known sync.Map }

// of is the code's number, 0 for one that is not registered.
func (n *numbers) of(code string) int64 {
	id, _ := n.known.Load(code)
	number, _ := id.(int64)
	return number
}

// NewEAV makes the model; Fill makes its tables.
func NewEAV(pool *pgxpool.Pool) *EAV {
	return &EAV{pool: pool}
}

// Fill makes the tables anew, with the products that are there from the start.
func (m *EAV) Fill(ctx context.Context, g *Goods) error {
	if err := execute(ctx, m.pool, eavTables); err != nil {
		return err
	}
	if _, err := m.declare(ctx, registry(kinds...), kinds...); err != nil {
		return err
	}
	if err := fill(ctx, g, m.Insert); err != nil {
		return err
	}
	if err := execute(ctx, m.pool, eavIndexes); err != nil {
		return err
	}
	return vacuum(ctx, m.pool, "bench_eav", "kind", "attribute", "product", "product_text", "value")
}

// Declare makes the newcomer known, and says how many statements that takes.
func (m *EAV) Declare(ctx context.Context) (statements int, err error) {
	return m.declare(ctx, unheardOf(), newcomer)
}

func (m *EAV) declare(ctx context.Context, attributes []Attribute, of ...Kind) (statements int, err error) {
	var codes, domains, names []string
	for _, a := range attributes {
		codes, domains = append(codes, a.Code), append(domains, a.domain())
	}
	for _, k := range of {
		names = append(names, k.code)
	}
	if err := m.register(ctx, &m.kinds, `insert into bench_eav.kind (code) select unnest($1::text[]) returning code, id`, names); err != nil {
		return 0, err
	}
	const insert = `insert into bench_eav.attribute (code, domain) select * from unnest($1::text[], $2::text[]) returning code, id`
	return 2, m.register(ctx, &m.attributes, insert, codes, domains)
}

// register inserts rows of the registry and remembers their numbers.
func (m *EAV) register(ctx context.Context, ids *numbers, insert string, args ...any) error {
	rows, err := m.pool.Query(ctx, insert, args...)
	if err != nil {
		return fmt.Errorf("register: %w", err)
	}
	var code string
	var id int64
	if _, err := pgx.ForEachRow(rows, []any{&code, &id}, func() error { ids.known.Store(code, id); return nil }); err != nil {
		return fmt.Errorf("register: %w", err)
	}
	return nil
}

// Insert adds products in one transaction.
func (m *EAV) Insert(ctx context.Context, items []Item) error {
	products := table{name: "product", columns: []string{"id", "kind_id", "category_id"}}
	values := table{name: "value", columns: []string{"product_id", "attribute_id", "keyword", "number", "boolean"}}
	for _, it := range items {
		products.rows = append(products.rows, []any{it.ID, m.kinds.of(it.Kind), it.Category})
		for code, v := range it.Attributes {
			row := []any{it.ID, m.attributes.of(code), nil, nil, nil}
			row[2+place(v)] = v
			values.rows = append(values.rows, row)
		}
	}
	return copyInto(ctx, m.pool, "bench_eav", products, textsOf(items), values)
}

// columns of a value, by its place.
var columns = [...]string{"keyword", "number", "boolean"}

func place(v any) int {
	switch v.(type) {
	case float64:
		return 1
	case bool:
		return 2
	}
	return 0
}

// Show reads all that a page of the product displays.
func (m *EAV) Show(ctx context.Context, id int64) (Item, error) {
	return showRow(m.pool.QueryRow(ctx, `select k.code, p.category_id,
		(select jsonb_object_agg(t.lang, jsonb_build_object('title', t.title, 'description', t.description)) from bench_eav.product_text t where t.product_id = p.id),
		(select jsonb_object_agg(a.code, coalesce(to_jsonb(v.keyword), to_jsonb(v.number), to_jsonb(v.boolean)))
		   from bench_eav.value v join bench_eav.attribute a on a.id = v.attribute_id where v.product_id = p.id)
		from bench_eav.product p join bench_eav.kind k on k.id = p.kind_id where p.id = $1`, id), id)
}

// Filter finds the products of a category that satisfy all conditions, each by a join of its own.
func (m *EAV) Filter(ctx context.Context, category int64, conditions []Condition) (Page, error) {
	var joins strings.Builder
	args := []any{category}
	bind := func(v any) string { args = append(args, v); return fmt.Sprintf("$%d", len(args)) }
	for i, c := range conditions {
		fmt.Fprintf(&joins, " join bench_eav.value v%[1]d on v%[1]d.product_id = p.id and v%[1]d.attribute_id = %[2]s", i, bind(m.attributes.of(c.Code)))
		if c.Is != nil {
			fmt.Fprintf(&joins, " and v%d.%s = %s", i, columns[place(c.Is)], bind(c.Is))
		} else {
			fmt.Fprintf(&joins, " and v%[1]d.number >= %[2]s and v%[1]d.number < %[3]s", i, bind(c.From), bind(c.To))
		}
	}
	return pageRow(m.pool.QueryRow(ctx, fmt.Sprintf(`with hit as materialized (select p.id from bench_eav.product p%s where p.category_id = $1)
		select (select count(*) from hit), array(select id from hit order by id limit %d)`, &joins, pageSize), args...))
}

// Facets counts the values of attributes in a category.
func (m *EAV) Facets(ctx context.Context, category int64, codes []string) ([]Count, error) {
	ids := make([]int64, len(codes))
	for i, code := range codes {
		ids[i] = m.attributes.of(code)
	}
	return countRows(m.pool.Query(ctx, `select a.code, coalesce(v.keyword, v.boolean::text), count(*)
		from bench_eav.product p join bench_eav.value v on v.product_id = p.id join bench_eav.attribute a on a.id = v.attribute_id
		where p.category_id = $1 and v.attribute_id = any($2) group by 1, 2`, category, ids))
}

// Update changes a value that the product has.
func (m *EAV) Update(ctx context.Context, id int64, code string, value any) error {
	sql := `update bench_eav.value set ` + columns[place(value)] + ` = $3 where product_id = $1 and attribute_id = $2`
	tag, err := m.pool.Exec(ctx, sql, id, m.attributes.of(code), value)
	if err == nil && tag.RowsAffected() != 1 {
		err = errNoValue
	}
	if err != nil {
		return fmt.Errorf("change %s of product %d: %w", code, id, err)
	}
	return nil
}

// Size is what the tables take.
func (m *EAV) Size(ctx context.Context) (Size, error) { return size(ctx, m.pool, "bench_eav") }

// Drop removes the tables.
func (m *EAV) Drop(ctx context.Context) error {
	return execute(ctx, m.pool, `drop schema if exists bench_eav cascade`)
}
