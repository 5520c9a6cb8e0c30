package ingest

import (
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"
)

// asOf reads the shape of the tables again, inside the transaction that will read their rows. They were looked up before
// the slot was made: a column added in between would be in the rows and not in what is read of them, and no later change
// would make up for it. A table that joined the publication in between has no topic yet: the session begins again.
func (s *session) asOf(ctx context.Context, conn *pgx.Conn, tables []publishedTable) ([]publishedTable, error) {
	now, err := newCatalog(conn).published(ctx, s.config.Publication)
	if err != nil {
		return nil, err
	}
	named := func(list []publishedTable, name string) bool {
		return slices.ContainsFunc(list, func(t publishedTable) bool { return t.name() == name })
	}
	for _, t := range now {
		if !named(s.tables, t.name()) {
			return nil, fmt.Errorf("table %s joined the publication while the slot was made", t.name())
		}
	}
	return slices.DeleteFunc(now, func(t publishedTable) bool { return !named(tables, t.name()) }), nil
}
