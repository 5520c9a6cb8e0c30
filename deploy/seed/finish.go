package seed

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// sequencesQuery moves every identity past the ids that were given.
const sequencesQuery = `
select format('select setval(%L, coalesce(max(%I), 1), max(%I) is not null) from %I',
              pg_get_serial_sequence(table_name, column_name), column_name, column_name, table_name)
from information_schema.columns where table_schema = current_schema() and is_identity = 'YES' order by table_name`

// orphansQuery makes, for each foreign key, a query that finds rows without their parent.
const orphansQuery = `
select c.conname, format('select count(*) from %s a where %s and not exists (select from %s b where %s)', c.conrelid::regclass,
  string_agg(format('a.%I is not null', child.attname), ' and ' order by k.n), c.confrelid::regclass,
  string_agg(format('b.%I = a.%I', parent.attname, child.attname), ' and ' order by k.n))
from pg_constraint c
cross join lateral unnest(c.conkey, c.confkey) with ordinality as k(child, parent, n)
join pg_attribute child on child.attrelid = c.conrelid and child.attnum = k.child
join pg_attribute parent on parent.attrelid = c.confrelid and parent.attnum = k.parent
where c.contype = 'f' and c.connamespace = current_schema()::regnamespace
group by c.oid, c.conname, c.conrelid, c.confrelid order by c.conname`

// finish moves the sequences, gathers statistics and checks every foreign key.
func finish(ctx context.Context, tx pgx.Tx) error {
	rows, err := tx.Query(ctx, sequencesQuery)
	if err != nil {
		return fmt.Errorf("list the sequences: %w", err)
	}
	statements, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return fmt.Errorf("list the sequences: %w", err)
	}
	for _, statement := range append(statements, `analyze`) {
		if _, err := tx.Exec(ctx, statement); err != nil {
			return fmt.Errorf("%s: %w", statement, err)
		}
	}
	return checkForeignKeys(ctx, tx)
}

func checkForeignKeys(ctx context.Context, tx pgx.Tx) error {
	type check struct{ Name, Query string }
	rows, err := tx.Query(ctx, orphansQuery)
	if err != nil {
		return fmt.Errorf("list the foreign keys: %w", err)
	}
	checks, err := pgx.CollectRows(rows, pgx.RowToStructByPos[check])
	if err != nil {
		return fmt.Errorf("list the foreign keys: %w", err)
	}
	for _, c := range checks {
		var orphans int64
		if err := tx.QueryRow(ctx, c.Query).Scan(&orphans); err != nil {
			return fmt.Errorf("check foreign key %s: %w", c.Name, err)
		}
		if orphans > 0 {
			return fmt.Errorf("foreign key %s: %d rows have no parent", c.Name, orphans)
		}
	}
	return nil
}
