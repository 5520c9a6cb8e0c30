package check

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

func quote(parts ...string) string { return pgx.Identifier(parts).Sanitize() }

// publication looks at what is published of each change.
func (i *inspection) publication(ctx context.Context) error {
	name := i.target.Publication
	var insert, update, remove, truncate bool
	err := i.conn.QueryRow(ctx, `select pubinsert, pubupdate, pubdelete, pubtruncate from pg_publication where pubname = $1`, name).
		Scan(&insert, &update, &remove, &truncate)
	if errors.Is(err, pgx.ErrNoRows) {
		i.add(Finding{
			Severity: Error, Subject: "publication " + name, What: "does not exist", Fatal: true,
			Why: "it says which tables are read, and must be there before the slot is made",
			Fix: "freshet migrate, or CREATE PUBLICATION " + quote(name) + " FOR TABLE …;",
		})
		return nil
	}
	if err != nil {
		return err
	}
	var missing []string
	for action, published := range map[string]bool{"insert": insert, "update": update, "delete": remove} {
		if !published {
			missing = append(missing, action)
		}
	}
	fix := "ALTER PUBLICATION " + quote(name) + " SET (publish = 'insert, update, delete, truncate');"
	if slices.Sort(missing); len(missing) > 0 {
		i.add(Finding{
			Severity: Error, Subject: "publication " + name, What: "does not publish " + strings.Join(missing, ", "), Fatal: true,
			Why: "consumers never hear of these changes", Fix: fix,
		})
	}
	if !truncate {
		i.add(Finding{
			Severity: Error, Subject: "publication " + name, What: "does not publish truncate",
			Why: "after a TRUNCATE consumers keep every row", Fix: fix,
		})
	}
	return nil
}

// table is what a check wants to know of a published table.
type table struct {
	schema, name, identity string
	columns                []string // published
	all                    int      // columns that could be
	filter                 *string
	key, carried           []string // primary key; what a delete's log record holds
	mayRead                bool
}

// tables looks at each published table.
func (i *inspection) tables(ctx context.Context) error {
	rows, err := i.conn.Query(ctx, `
		select p.schemaname, p.tablename, c.relreplident::text, p.attnames::text[],
			(select count(*) from pg_attribute a where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and a.attgenerated = ''), p.rowfilter,
			array(select a.attname::text from pg_index x join pg_attribute a on a.attrelid = c.oid and a.attnum = any(x.indkey::int2[])
				where x.indrelid = c.oid and x.indisprimary order by array_position(x.indkey::int2[], a.attnum)),
			array(select a.attname::text from pg_index x join pg_attribute a on a.attrelid = c.oid and a.attnum = any(x.indkey::int2[])
				where x.indrelid = c.oid and case c.relreplident when 'd' then x.indisprimary when 'i' then x.indisreplident else false end),
			has_table_privilege(c.oid, 'select')
		from pg_publication_tables p join pg_namespace n on n.nspname = p.schemaname
		join pg_class c on c.relnamespace = n.oid and c.relname = p.tablename
		where p.pubname = $1 order by 1, 2`, i.target.Publication)
	if err != nil {
		return err
	}
	tables, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (t table, err error) {
		err = row.Scan(&t.schema, &t.name, &t.identity, &t.columns, &t.all, &t.filter, &t.key, &t.carried, &t.mayRead)
		return t, err
	})
	if err != nil {
		return err
	}
	for n := range tables {
		i.table(&tables[n])
	}
	return nil
}

func (i *inspection) table(t *table) {
	subject, quoted := "table "+t.schema+"."+t.name, quote(t.schema, t.name)
	full := "ALTER TABLE " + quoted + " REPLICA IDENTITY FULL;"
	if !t.mayRead {
		i.add(Finding{
			Severity: Error, Subject: subject, What: "may not be read", Why: "a snapshot of it fails",
			Fix: "GRANT SELECT ON " + quoted + " TO current_user_of_ingest;",
		})
	}
	if t.identity == "n" || (t.identity == "d" && len(t.key) == 0) || (t.identity == "i" && len(t.carried) == 0) {
		i.add(Finding{
			Severity: Error, Subject: subject, What: "has no replica identity",
			Why: "while it is published, every UPDATE and DELETE on it fails at the source", Fix: "give it a primary key, or " + full,
		})
		return
	}
	if len(t.key) == 0 {
		i.add(Finding{
			Severity: Warning, Subject: subject, What: "has no primary key",
			Why: "its records have no key, or the replica identity's: consumers can't tell its rows apart", Fix: "ALTER TABLE " + quoted + " ADD PRIMARY KEY (…);",
		})
	}
	if t.filter != nil {
		i.add(Finding{
			Severity: Info, Subject: subject, What: "is published with a row filter: " + *t.filter,
			Why: "an update that crosses the filter arrives as an insert or a delete",
		})
	}
	if len(t.columns) < t.all {
		i.add(Finding{
			Severity: Info, Subject: subject, What: fmt.Sprintf("is published with %d of its %d columns", len(t.columns), t.all),
			Why: "consumers never see the others",
		})
	}
	i.routing(t, subject, full)
}

// routing wants the column that chooses the partition in the log record of a delete.
func (i *inspection) routing(t *table, subject, full string) {
	if i.target.Routing == nil || t.identity == "f" {
		return
	}
	column := i.target.Routing(t.schema+"."+t.name, t.columns, t.key)
	if column == "" || slices.Contains(t.carried, column) {
		return
	}
	fix := full
	if len(t.key) > 0 {
		index := t.name + "_identity"
		columns := make([]string, 0, len(t.key)+1)
		for _, c := range append(slices.Clone(t.key), column) {
			columns = append(columns, quote(c))
		}
		fix = fmt.Sprintf("CREATE UNIQUE INDEX CONCURRENTLY %s ON %s (%s); ALTER TABLE %s REPLICA IDENTITY USING INDEX %s; (%s must be NOT NULL)",
			quote(index), quote(t.schema, t.name), strings.Join(columns, ", "), quote(t.schema, t.name), quote(index), quote(column))
	}
	i.add(Finding{
		Severity: Warning, Subject: subject, What: "its replica identity lacks the routing column " + column,
		Why: "a delete does not say in which partition its row lies, and goes to all of them", Fix: fix,
	})
}
