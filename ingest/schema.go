package ingest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"

	"freshet/ingest/change"
	"freshet/ingest/pgoutput"
)

// The schema topic has two kinds of records. "ddl" is a statement, at its place in the order, where the event trigger of
// freshet ddl is installed. "relation" needs no trigger: it says, before the first change of a table in a new shape, what
// the shape is; and so that none is missed over a restart, it says so again for every table that changes in a session.

// shape is a record of kind relation.
type shape struct {
	Kind       string                `json:"kind"`
	Schema     string                `json:"schema"`
	Table      string                `json:"table"`
	Identity   string                `json:"identity"`
	PrimaryKey []string              `json:"primary_key"`
	Columns    []change.SchemaColumn `json:"columns"`
	Changes    []change.SchemaChange `json:"changes"` // against the shape before, null where that is not known
}

// identities are the names of replica identities.
var identities = map[byte]string{'d': "default", 'n': "nothing", 'f': "full", 'i': "index"}

// describe puts a table's shape on the schema topic, unless it stands there already. It takes no place in the order of the
// transaction: it comes again only when the reader does not remember, and positions must not depend on that. Its headers
// hold the position of the change that follows.
func (s *stream) describe(ctx context.Context, t *table) error {
	t.described = true
	before := s.shapes[t.relation.ID]
	if before != nil && sameRelation(before, &t.relation) {
		return nil
	}
	s.shapes[t.relation.ID] = &t.relation
	d := shape{
		Kind: "relation", Schema: t.relation.Schema, Table: t.relation.Name, Identity: identities[t.relation.Identity],
		PrimaryKey: t.primary,
	}
	var err error
	if d.Columns, err = s.describeColumns(ctx, &t.relation); err != nil {
		return err
	}
	if before != nil {
		old, err := s.describeColumns(ctx, before)
		if err != nil {
			return err
		}
		d.Changes = change.CompareColumns(old, d.Columns)
		s.config.Logger.Info("table has a new shape", "table", t.name, "lsn", s.emitter.position.Commit.String(), "changes", fmt.Sprint(d.Changes))
	}
	return s.emitter.shape(ctx, t, &d)
}

func (s *stream) describeColumns(ctx context.Context, rel *pgoutput.Relation) ([]change.SchemaColumn, error) {
	var oids []uint32
	var modifiers []int32
	for _, c := range rel.Columns {
		oids, modifiers = append(oids, c.Type), append(modifiers, c.Modifier)
	}
	names, err := s.catalog.typeNames(ctx, oids, modifiers)
	if err != nil {
		return nil, err
	}
	columns := make([]change.SchemaColumn, len(names))
	for i, c := range rel.Columns[:len(names)] {
		columns[i] = change.SchemaColumn{Name: c.Name, Type: names[i], TypeOID: c.Type, Identity: c.Identity}
	}
	return columns, nil
}

func (e *emitter) shape(ctx context.Context, t *table, d *shape) error {
	value, err := json.Marshal(d)
	if err != nil {
		return fmt.Errorf("describe %s: %w", t.name, err)
	}
	at := e.position
	defer func() { e.position = at }()
	e.position.Index++
	return e.schema(ctx, t.name, value, "/relation")
}

// ddl publishes what the event trigger wrote.
func (e *emitter) ddl(ctx context.Context, content []byte) error {
	var head struct {
		Table *string `json:"table"`
	}
	// The trigger writes JSON; isObject has seen that this is.
	if err := json.Unmarshal(content, &head); err != nil || head.Table == nil {
		head.Table = new(string)
	}
	return e.schema(ctx, *head.Table, content, "")
}

// schema writes a record of the schema topic: the source block before the fields of content, which is a JSON object.
func (e *emitter) schema(ctx context.Context, table string, content []byte, suffix string) error {
	t := e.schemas
	e.meta.Now = e.now
	e.key = append(change.AppendString(append(e.key[:0], `{"table":`...), []byte(table)), '}')
	e.value = t.encoder.AppendSource(append(e.value[:0], '{'), &e.meta)
	e.value = append(append(e.value, ','), bytes.TrimLeft(content, "{ \n\t")...)
	e.suffix = suffix
	_, err := e.side(ctx, t)
	e.suffix = ""
	return err
}

// isObject says whether content is a JSON object with fields: only then does it fit into a schema record.
func isObject(content []byte) bool {
	var fields map[string]json.RawMessage
	return json.Unmarshal(content, &fields) == nil && len(fields) > 0
}
