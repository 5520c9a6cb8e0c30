package bench

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"freshet/api/write/slug"
	"freshet/projectors/dimension"
	"freshet/search"
)

// fullText searches in Postgres: a table for each language with a GIN index of the words, and one of the categories and one
// of the attributes.
type fullText struct {
	pool  *pgxpool.Pool
	table string   // its name begins with this, and ends with the language
	slots []string // columns of numbers
}

func newFullText(ctx context.Context, pool *pgxpool.Pool, table string, dims *dimension.Set) (*fullText, error) {
	s := &fullText{pool: pool, table: table}
	columns := ""
	for _, a := range dims.Attributes() {
		if a.NumericSlot != nil {
			s.slots = append(s.slots, slotName(*a.NumericSlot))
			columns += ", " + slotName(*a.NumericSlot) + " float8[]"
		}
	}
	for _, lang := range search.Languages() {
		name := s.of(lang)
		for _, sql := range []string{
			`create table ` + name + ` (store text, product bigint, brand text, categories text[], keywords text[], price bigint, in_stock boolean,
				rank float8, title text, brand_name text, description text, refs text[], card jsonb` + columns + `,
				words tsvector generated always as (bench_words('` + lang + `', title, brand_name, description, refs)) stored,
				primary key (store, product))`,
			`create index on ` + name + ` using gin (words)`,
			`create index on ` + name + ` using gin (categories)`,
			`create index on ` + name + ` using gin (keywords)`,
			`create index on ` + name + ` (store, brand)`,
		} {
			if _, err := pool.Exec(ctx, sql); err != nil {
				return nil, fmt.Errorf("make the table %s: %w", name, err)
			}
		}
	}
	return s, nil
}

func (s *fullText) of(lang string) string { return s.table + "_" + lang }

func (s *fullText) write(ctx context.Context, docs []shelved) error {
	rows := map[string][][]any{}
	for i := range docs {
		for _, lang := range docs[i].languages() {
			row, err := s.row(&docs[i], lang)
			if err != nil {
				return err
			}
			rows[lang] = append(rows[lang], row)
		}
	}
	columns := append([]string{
		"store", "product", "brand", "categories", "keywords", "price", "in_stock", "rank", "title", "brand_name", "description", "refs", "card",
	}, s.slots...)
	for lang, list := range rows {
		if _, err := s.pool.CopyFrom(ctx, pgx.Identifier{s.of(lang)}, columns, pgx.CopyFromRows(list)); err != nil {
			return fmt.Errorf("copy into %s: %w", s.of(lang), err)
		}
	}
	return nil
}

// row is an offer in a language.
func (s *fullText) row(d *shelved, lang string) ([]any, error) {
	card, err := json.Marshal(d.CardIn(lang))
	if err != nil {
		return nil, fmt.Errorf("encode a card: %w", err)
	}
	row := []any{
		d.Store, d.Product, d.Brand, d.above, keywordPairs(&d.Document), *d.Price, *d.InStock, *d.Rank, d.Title[lang], d.BrandName[lang], d.Description[lang],
		append([]string{}, d.Refs...), json.RawMessage(card),
	}
	for _, slot := range s.slots {
		row = append(row, d.Numbers[slot])
	}
	return row, nil
}

// settle merges what the GIN indexes hold back for later, and tells the planner what there is.
func (s *fullText) settle(ctx context.Context) error {
	for _, lang := range search.Languages() {
		if _, err := s.pool.Exec(ctx, "vacuum analyze "+s.of(lang)); err != nil {
			return fmt.Errorf("vacuum %s: %w", s.of(lang), err)
		}
	}
	return nil
}

func (s *fullText) bytes(ctx context.Context) (total int64, err error) {
	for _, lang := range search.Languages() {
		var size int64
		if err := s.pool.QueryRow(ctx, "select pg_total_relation_size($1::regclass)", s.of(lang)).Scan(&size); err != nil {
			return 0, fmt.Errorf("size of %s: %w", s.of(lang), err)
		}
		total += size
	}
	return total, nil
}

// The lines of an answer that are no facet's.
const (
	lineHit   = -1
	lineTotal = -2
)

// Search answers by one statement: what every count obeys is read once, with a column for each selection, and counted from
// there.
func (s *fullText) Search(ctx context.Context, q search.Query, dims *dimension.Set) (search.Result, error) {
	a, err := ask(&q, dims)
	if err != nil {
		return search.Result{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, bazaarPatience)
	defer cancel()
	b := &statement{asked: a, table: s.of(q.Lang)}
	rows, err := s.pool.Query(ctx, b.sql(), b.args...)
	if err != nil {
		return search.Result{}, fmt.Errorf("search in Postgres: %w", err)
	}
	type placed struct {
		n int64
		search.Hit
	}
	var found []placed
	var total int64
	lines := make([][]count, len(a.facets))
	var facet int
	var c count
	var card *search.Card
	_, err = pgx.ForEachRow(rows, []any{&facet, &c.value, &c.n, &c.low, &c.high, &card}, func() error {
		switch facet {
		case lineHit:
			found = append(found, placed{c.n, search.Hit{Card: *card}})
		case lineTotal:
			total = c.n
		default:
			lines[facet] = append(lines[facet], c)
		}
		c, card = count{}, nil // what is scanned into a pointer must not be what was
		return nil
	})
	if err != nil {
		return search.Result{}, fmt.Errorf("search in Postgres: %w", err)
	}
	slices.SortFunc(found, func(x, y placed) int { return cmp.Compare(x.n, y.n) })
	hits := make([]search.Hit, len(found))
	for i := range found {
		hits[i] = found[i].Hit
	}
	return a.result(total, hits, lines), nil
}

// statement is the SQL of a page. All that a shopper chose or typed is a parameter.
type statement struct {
	*asked
	table string
	args  []any
}

func (b *statement) arg(v any) string {
	b.args = append(b.args, v)
	return fmt.Sprintf("$%d", len(b.args))
}

func (b *statement) sql() string {
	store := b.arg(strconv.FormatInt(b.q.Store, 10))
	where, score := []string{"store = " + store}, "0::real"
	if strings.TrimSpace(b.q.Text) != "" {
		// The words, or the whole of it as an SKU or a GTIN.
		words := fmt.Sprintf("(plainto_tsquery('bench_%s', %s) || plainto_tsquery('simple', %s))", b.q.Lang, b.arg(b.q.Text), b.arg(bareCode(b.q.Text)))
		where, score = append(where, "words @@ "+words), "ts_rank(words, "+words+")"
	}
	if b.q.Category != 0 {
		where = append(where, "categories @> array["+b.arg(strconv.FormatInt(b.q.Category, 10))+"]")
	}
	for i := range b.base {
		where = append(where, b.clause(&b.base[i]))
	}
	columns := []string{"product", "in_stock", "rank", score + " as score"}
	for i := range b.selections {
		columns = append(columns, fmt.Sprintf("%s as s%d", b.clause(&b.selections[i]), i))
	}
	for i := range b.facets {
		if c := b.facets[i].column(); !slices.Contains(columns, c) {
			columns = append(columns, c)
		}
	}
	arms := []string{fmt.Sprintf("select %d, '', count(*), null::float8, null::float8, null::jsonb from base where %s", lineTotal, b.others(""))}
	if b.q.Limit > 0 {
		arms = append(arms, b.hits(store))
	}
	for i := range b.facets {
		arms = append(arms, b.count(i)...)
	}
	return fmt.Sprintf("with base as materialized (select %s from %s where %s)\n%s",
		strings.Join(columns, ", "), b.table, strings.Join(where, " and "), strings.Join(arms, "\nunion all "))
}

// column is where the facet's values are.
func (f *counted) column() string {
	switch f.kind {
	case kindTree:
		return "categories"
	case kindNumber:
		return f.slot
	case kindKeyword:
		return "keywords"
	}
	return f.code // brand, price and stock are columns by their names
}

// hits reads the cards of the page alone.
func (b *statement) hits(store string) string {
	return fmt.Sprintf(`select %d, '', h.place, null, null, o.card from (
		select product, row_number() over (order by score desc, in_stock desc, rank desc, product) as place from base where %s order by place limit %d
	) h join %s o on o.store = %s and o.product = h.product`, lineHit, b.others(""), b.q.Limit, b.table, store)
}

func (b *statement) clause(s *selected) string {
	switch s.kind {
	case kindBrand:
		return "brand = any(" + b.arg(s.values) + "::text[])"
	case kindPrice:
		return fmt.Sprintf("price between %s::bigint and %s::bigint", b.arg(s.low), b.arg(s.high))
	case kindStock:
		return "in_stock"
	}
	return "keywords && " + b.arg(s.values) + "::text[]"
}

// others are the selections of every facet but one's own.
func (b *statement) others(code string) string {
	where := "true"
	for i, s := range b.selections {
		if s.code != code {
			where += fmt.Sprintf(" and s%d", i)
		}
	}
	return where
}

// count selects the lines of a facet.
func (b *statement) count(i int) []string {
	f := &b.facets[i]
	where := b.others(f.code)
	group := func(value, from, also string) string {
		return fmt.Sprintf("select %d, %s, count(*), null, null, null from %s where %s%s group by 2", i, value, from, where, also)
	}
	switch f.kind {
	case kindTree:
		return []string{group("c", "base, unnest(categories) as c", " and c = any("+b.arg(f.children)+"::text[])")}
	case kindBrand:
		return []string{group("brand", "base", " and brand <> ''")}
	case kindStock:
		return []string{group("in_stock::text", "base", "")}
	case kindPrice:
		return []string{
			fmt.Sprintf("select %d, '%s', count(price), min(price), max(price), null from base where %s", i, bounds, where),
			group("width_bucket(price, "+b.arg(priceBounds)+"::bigint[])::text", "base", ""),
		}
	case kindNumber:
		return []string{fmt.Sprintf("select %d, '%s', count(x), min(x), max(x), null from base, unnest(%s) as x where %s", i, bounds, f.slot, where)}
	}
	prefix := b.arg(f.code + "=")
	return []string{group("substr(k, length("+prefix+"::text) + 1)", "base, unnest(keywords) as k", " and starts_with(k, "+prefix+"::text)")}
}

// bareCode writes a text as SKUs are kept: without case and separators.
func bareCode(text string) string {
	return strings.ReplaceAll(slug.Make(text, search.MaxText), "-", "")
}
