package modelling

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5/pgxpool"
)

//go:embed jsonb.sql
var jsonbTables string

//go:embed jsonbindexes.sql
var jsonbIndexes string

// JSONB keeps a product's attributes in one column, in the schema bench_jsonb. A GIN index answers what an attribute is; what
// lies in a range, which GIN can't, an index of the number's own.
type JSONB struct{ pool *pgxpool.Pool }

// NewJSONB makes the model; Fill makes its tables.
func NewJSONB(pool *pgxpool.Pool) *JSONB { return &JSONB{pool: pool} }

// Fill makes the tables anew, with the products that are there from the start.
func (m *JSONB) Fill(ctx context.Context, g *Goods) error {
	if err := execute(ctx, m.pool, jsonbTables); err != nil {
		return err
	}
	if err := fill(ctx, g, m.Insert); err != nil {
		return err
	}
	if err := execute(ctx, m.pool, jsonbIndexes); err != nil {
		return err
	}
	if _, err := m.declare(ctx, registry(kinds...)); err != nil {
		return err
	}
	return vacuum(ctx, m.pool, "bench_jsonb", "attribute_def", "product", "product_text")
}

// Declare makes the newcomer known, and says how many statements that takes.
func (m *JSONB) Declare(ctx context.Context) (statements int, err error) {
	return m.declare(ctx, unheardOf())
}

func (m *JSONB) declare(ctx context.Context, attributes []Attribute) (statements int, err error) {
	var codes, domains, indexes []string
	for _, a := range attributes {
		codes, domains = append(codes, a.Code), append(domains, a.domain())
		if a.Number() {
			// Concurrently: writers go on while the products are read for it.
			indexes = append(indexes, fmt.Sprintf(`create index concurrently on bench_jsonb.product (category_id, %s) where attributes ? '%s'`, asNumber(a.Code), a.Code))
		}
	}
	const insert = `insert into bench_jsonb.attribute_def (code, domain) select * from unnest($1::text[], $2::text[])`
	if _, err := m.pool.Exec(ctx, insert, codes, domains); err != nil {
		return 0, fmt.Errorf("register: %w", err)
	}
	return 1 + len(indexes), execute(ctx, m.pool, indexes...)
}

// asNumber is the expression that is indexed. A code is of the registry's letters, digits and underscores, so it can stand in a
// statement; as a parameter it would match no index.
func asNumber(code string) string { return "((attributes -> '" + code + "')::float8)" }

// Insert adds products in one transaction.
func (m *JSONB) Insert(ctx context.Context, items []Item) error {
	products := table{name: "product", columns: []string{"id", "kind", "category_id", "attributes"}}
	for _, it := range items {
		products.rows = append(products.rows, []any{it.ID, it.Kind, it.Category, it.Attributes})
	}
	return copyInto(ctx, m.pool, "bench_jsonb", products, textsOf(items))
}

// Show reads all that a page of the product displays.
func (m *JSONB) Show(ctx context.Context, id int64) (Item, error) {
	return showRow(m.pool.QueryRow(ctx, `select p.kind, p.category_id,
		(select jsonb_object_agg(t.lang, jsonb_build_object('title', t.title, 'description', t.description)) from bench_jsonb.product_text t where t.product_id = p.id),
		p.attributes from bench_jsonb.product p where p.id = $1`, id), id)
}

// Filter finds the products of a category that satisfy all conditions: all values by one containment.
func (m *JSONB) Filter(ctx context.Context, category int64, conditions []Condition) (Page, error) {
	var where strings.Builder
	args, values := []any{category}, map[string]any{}
	bind := func(v any) string { args = append(args, v); return fmt.Sprintf("$%d", len(args)) }
	for _, c := range conditions {
		if c.Is != nil {
			values[c.Code] = c.Is
			continue
		}
		fmt.Fprintf(&where, " and attributes ? '%[1]s' and %[2]s >= %[3]s and %[2]s < %[4]s", c.Code, asNumber(c.Code), bind(c.From), bind(c.To))
	}
	if len(values) > 0 {
		where.WriteString(" and attributes @> " + bind(values))
	}
	return pageRow(m.pool.QueryRow(ctx, fmt.Sprintf(`with hit as materialized (select id from bench_jsonb.product where category_id = $1%s)
		select (select count(*) from hit), array(select id from hit order by id limit %d)`, &where, pageSize), args...))
}

// Facets counts the values of attributes in a category.
func (m *JSONB) Facets(ctx context.Context, category int64, codes []string) ([]Count, error) {
	return countRows(m.pool.Query(ctx, `select a.key, a.value, count(*) from bench_jsonb.product p cross join lateral jsonb_each_text(p.attributes) a
		where p.category_id = $1 and a.key = any($2) group by 1, 2`, category, codes))
}

// Update changes a value that the product has.
func (m *JSONB) Update(ctx context.Context, id int64, code string, value any) error {
	raw, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("encode %s of product %d: %w", code, id, err)
	}
	const update = `update bench_jsonb.product set attributes = jsonb_set(attributes, array[$2::text], $3::jsonb) where id = $1 and attributes ? $2`
	tag, err := m.pool.Exec(ctx, update, id, code, string(raw))
	if err == nil && tag.RowsAffected() != 1 {
		err = errNoValue
	}
	if err != nil {
		return fmt.Errorf("change %s of product %d: %w", code, id, err)
	}
	return nil
}

// Size is what the tables take.
func (m *JSONB) Size(ctx context.Context) (Size, error) { return size(ctx, m.pool, "bench_jsonb") }

// Drop removes the tables.
func (m *JSONB) Drop(ctx context.Context) error {
	return execute(ctx, m.pool, `drop schema if exists bench_jsonb cascade`)
}
