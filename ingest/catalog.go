package ingest

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"freshet/ingest/change"
	"freshet/ingest/pgoutput"
)

// catalog answers what the replication stream does not say: types by name, domains' base types, primary keys. It asks the
// catalog of now, which may be ahead of the stream; what the stream itself says (columns, their order, types) wins.
type catalog struct {
	conn  *pgx.Conn
	types map[uint32]change.PostgresType
}

func newCatalog(conn *pgx.Conn) *catalog {
	return &catalog{conn: conn, types: map[uint32]change.PostgresType{}}
}

// column returns how the values of a column are written.
func (c *catalog) column(ctx context.Context, format *change.Format, col pgoutput.Column, known attribute) (change.Column, error) {
	pg, err := c.lookup(ctx, col.Type)
	if err != nil {
		return change.Column{}, err
	}
	if col.Modifier >= 0 {
		pg.Modifier = col.Modifier
	}
	t, mapped := change.TypeOf(pg, format)
	return change.Column{
		Name: col.Name, Type: t, Omitted: !mapped, NotNull: known.notNull, Identity: col.Identity, Default: t.Default(known.defaultExpression),
	}, nil
}

// attribute is what the replication stream does not say of a column.
type attribute struct {
	notNull           bool
	defaultExpression string // "" for none
}

// attributes returns the columns of a relation by name. One that was dropped since is not among them, and so counts as
// nullable and without a default.
func (c *catalog) attributes(ctx context.Context, relation uint32) (map[string]attribute, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	rows, err := c.conn.Query(ctx, `
		select a.attname, a.attnotnull, coalesce(pg_get_expr(d.adbin, d.adrelid), '')
		from pg_attribute a left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum and a.attgenerated = ''
		where a.attrelid = $1 and a.attnum > 0 and not a.attisdropped`, relation)
	if err != nil {
		return nil, fmt.Errorf("look up the columns of relation %d: %w", relation, err)
	}
	attributes := map[string]attribute{}
	var name string
	var a attribute
	_, err = pgx.ForEachRow(rows, []any{&name, &a.notNull, &a.defaultExpression}, func() error {
		attributes[name] = a
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("look up the columns of relation %d: %w", relation, err)
	}
	return attributes, nil
}

// lookup follows a type through domains to its base type and, for an array, to its element.
func (c *catalog) lookup(ctx context.Context, oid uint32) (change.PostgresType, error) {
	if pg, ok := c.types[oid]; ok {
		return pg, nil
	}
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	var name, kind string
	var elem, base uint32
	var modifier int32
	var labels []string
	err := c.conn.QueryRow(ctx, `
		select case when n.nspname = 'pg_catalog' or e.objid is not null then t.typname else n.nspname || '.' || t.typname end, t.typtype::text,
			case when t.typcategory = 'A' and t.typlen = -1 then t.typelem else 0 end, t.typbasetype, t.typtypmod,
			array(select l.enumlabel::text from pg_enum l where l.enumtypid = t.oid order by l.enumsortorder)
		from pg_type t join pg_namespace n on n.oid = t.typnamespace
		left join pg_depend e on e.classid = 'pg_type'::regclass and e.objid = t.oid and e.deptype = 'e'
		where t.oid = $1`, oid).Scan(&name, &kind, &elem, &base, &modifier, &labels)
	if err == pgx.ErrNoRows { //nolint:errorlint // QueryRow returns it bare
		// Dropped since: its values are still texts.
		return change.PostgresType{Name: fmt.Sprint(oid), Modifier: -1}, nil
	}
	if err != nil {
		return change.PostgresType{}, fmt.Errorf("look up type %d: %w", oid, err)
	}
	pg := change.PostgresType{Name: name, Kind: kind[0], Modifier: -1, Labels: labels}
	switch {
	case kind == "d":
		if pg, err = c.lookup(ctx, base); err != nil {
			return pg, err
		}
		if modifier >= 0 {
			pg.Modifier = modifier
		}
	case elem != 0:
		element, err := c.lookup(ctx, elem)
		if err != nil {
			return pg, err
		}
		pg.Elem = &element
	}
	c.types[oid] = pg
	return pg, nil
}

// typeNames returns types as Postgres writes them, "numeric(12,2)"; their ids where they were dropped since.
func (c *catalog) typeNames(ctx context.Context, oids []uint32, modifiers []int32) (names []string, err error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	err = c.conn.QueryRow(ctx, `
		select array_agg(coalesce(format_type(t.oid, x.modifier), x.oid::text) order by x.place)
		from unnest($1::oid[], $2::int4[]) with ordinality x(oid, modifier, place) left join pg_type t on t.oid = x.oid`, oids, modifiers).Scan(&names)
	if err != nil {
		return nil, fmt.Errorf("look up the names of types: %w", err)
	}
	return names, nil
}

// primaryKey returns the names of the key's columns in the key's order; none when there is no key, or no table any more.
func (c *catalog) primaryKey(ctx context.Context, relation uint32) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	rows, err := c.conn.Query(ctx, `
		select a.attname from pg_index i
		cross join unnest(i.indkey::int2[]) with ordinality k(attnum, place)
		join pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.attnum
		where i.indrelid = $1 and i.indisprimary order by k.place`, relation)
	if err != nil {
		return nil, fmt.Errorf("look up the primary key of relation %d: %w", relation, err)
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, fmt.Errorf("look up the primary key of relation %d: %w", relation, err)
	}
	return names, nil
}

// publishedTable is a table of the publication.
type publishedTable struct {
	OID      uint32
	Kind     string // of relation: "r" table, "p" partitioned
	Schema   string
	Name     string
	Filter   string // row filter, "" for none
	Estimate int64  // rows, for the progress of a snapshot
	RowBytes int64  // of an average row, about
	Pages    int64  // of the table's own file
	Columns  []pgoutput.Column
	Identity byte
}

func (t publishedTable) name() string { return t.Schema + "." + t.Name }

// published lists the publication's tables with their published columns. Generated columns are among them where the
// publication says so, which it can since Postgres 18; before, servers list them but never send them.
func (c *catalog) published(ctx context.Context, publication string) ([]publishedTable, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	var exists bool
	if err := c.conn.QueryRow(ctx, `select exists (select from pg_publication where pubname = $1)`, publication).Scan(&exists); err != nil {
		return nil, fmt.Errorf("look up publication %s: %w", publication, err)
	}
	if !exists {
		return nil, &RefusedError{
			Reason: fmt.Sprintf("publication %s does not exist", publication),
			Repair: "create it before the slot (freshet migrate does), or name another",
		}
	}
	// The columns are gathered before the sizes are asked for: those differ from call to call while a table grows, and must
	// not be grouped by.
	rows, err := c.conn.Query(ctx, `
		select c.oid, c.relkind::text, p.schemaname, p.tablename, coalesce(p.rowfilter, ''), greatest(c.reltuples, 0)::bigint, c.relreplident::text,
			(pg_table_size(c.oid) / greatest(c.reltuples, 1))::bigint, pg_relation_size(c.oid) / current_setting('block_size')::int,
			a.names, a.types, a.modifiers, a.identities
		from pg_publication_tables p
		join pg_namespace n on n.nspname = p.schemaname
		join pg_class c on c.relnamespace = n.oid and c.relname = p.tablename
		cross join lateral (
			select array_agg(a.attname::text order by a.attnum) names, array_agg(a.atttypid order by a.attnum) types,
				array_agg(a.atttypmod order by a.attnum) modifiers,
				array_agg(c.relreplident = 'f' or coalesce(a.attnum = any(i.indkey::int2[]), false) order by a.attnum) identities
			from pg_attribute a
			left join pg_index i on i.indrelid = c.oid and case c.relreplident when 'd' then i.indisprimary when 'i' then i.indisreplident end
			where a.attrelid = c.oid and a.attname = any(p.attnames)
				and (a.attgenerated = '' or (a.attgenerated = 's' and current_setting('server_version_num')::int >= 180000))
		) a
		where p.pubname = $1 and a.names is not null order by 3, 4`, publication)
	if err != nil {
		return nil, fmt.Errorf("list the tables of publication %s: %w", publication, err)
	}
	tables, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (publishedTable, error) {
		var t publishedTable
		var identity string
		var names []string
		var types []uint32
		var modifiers []int32
		var identities []bool
		err := row.Scan(&t.OID, &t.Kind, &t.Schema, &t.Name, &t.Filter, &t.Estimate, &identity, &t.RowBytes, &t.Pages, &names, &types, &modifiers, &identities)
		for i := range names {
			t.Columns = append(t.Columns, pgoutput.Column{Name: names[i], Type: types[i], Modifier: modifiers[i], Identity: identities[i]})
		}
		t.Identity = (identity + "?")[0]
		return t, err
	})
	if err != nil {
		return nil, fmt.Errorf("list the tables of publication %s: %w", publication, err)
	}
	return tables, nil
}

// dimensionsFirst orders tables for a snapshot: who folds a product wants to know its brand already.
func dimensionsFirst(tables []publishedTable, dimensions []string) []publishedTable {
	sorted := slices.Clone(tables)
	rank := func(t publishedTable) int {
		if i := slices.Index(dimensions, t.name()); i >= 0 {
			return i
		}
		return len(dimensions)
	}
	slices.SortStableFunc(sorted, func(a, b publishedTable) int {
		if d := rank(a) - rank(b); d != 0 {
			return d
		}
		return strings.Compare(a.name(), b.name())
	})
	return sorted
}
