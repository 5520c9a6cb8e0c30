package ingest

import "github.com/jackc/pgx/v5"

// warnRouting names, at every start, the published tables whose deletes will not say which partition their row lies in, and
// what mends that. They are read all the same: their deletes go to every partition.
func (s *session) warnRouting() {
	for _, pt := range s.tables {
		column, carried := s.config.carriesRouting(pt)
		if carried || s.config.spec(pt.Schema, pt.Name).Partitions == 1 {
			continue
		}
		name := pgx.Identifier{pt.Schema, pt.Name}.Sanitize()
		s.log.Warn("the replica identity lacks the routing column: deletes go to every partition", "table", pt.name(), "column", column,
			"repair", "make a unique index on the primary key and "+column+", then: alter table "+name+" replica identity using index …")
	}
}

// carriesRouting says whether the log record of a delete holds the table's routing column, and names that.
func (c *Config) carriesRouting(pt publishedTable) (column string, carried bool) {
	var names, key []string
	for _, col := range pt.Columns {
		names = append(names, col.Name)
		if col.Identity {
			key = append(key, col.Name)
		}
	}
	column = c.routingColumn(pt.name(), names, key)
	for _, col := range pt.Columns {
		if col.Name == column {
			return column, col.Identity
		}
	}
	return column, true // nothing to route by: the key decides
}
