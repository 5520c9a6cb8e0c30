package ingest

import (
	"context"

	"freshet/ingest/pgoutput"
)

// relation makes a table ready for the changes that follow its description. arrival counts descriptions in the order the
// server sent them, which for a streamed transaction is not the order in which we come to read them.
func (s *stream) relation(ctx context.Context, arrival uint64) error {
	rel := s.decoder.Relation
	before := s.tables[rel.ID]
	if before != nil && s.decoder == &s.kept && sameRelation(&before.relation, &rel) {
		before.arrival = arrival // said again after a savepoint was rolled back
		return nil
	}
	key, err := s.catalog.primaryKey(ctx, rel.ID)
	if err != nil {
		return err
	}
	t, err := newTable(ctx, s.config, s.source, s.catalog, &rel, key)
	if err != nil {
		return err
	}
	name := s.config.spec(rel.Schema, rel.Name).Name
	if s.emitter.publisher.partitions(name) == nil {
		s.config.Logger.Warn("table joined the publication: its changes are published from here on, its earlier rows only by a new snapshot", "table", t.name)
		if err := s.ensure(ctx, rel.Schema, rel.Name); err != nil {
			return err
		}
	}
	t.partitions = s.emitter.publisher.partitions(name)
	if !t.carried && len(t.partitions) > 1 && t.routing >= 0 {
		s.config.Logger.Warn("the replica identity lacks the routing column: deletes go to every partition", "table", t.name)
	}
	t.relation, t.arrival, t.primary = rel, arrival, key
	s.tables[rel.ID] = t
	return nil
}

func sameRelation(a, b *pgoutput.Relation) bool {
	if a.Schema != b.Schema || a.Name != b.Name || a.Identity != b.Identity || len(a.Columns) != len(b.Columns) {
		return false
	}
	for i := range a.Columns {
		if a.Columns[i] != b.Columns[i] {
			return false
		}
	}
	return true
}
