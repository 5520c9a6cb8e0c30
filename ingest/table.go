package ingest

import (
	"bytes"
	"context"
	"slices"

	"freshet/ingest/change"
	"freshet/ingest/pgoutput"
	"freshet/ingest/topic"
)

// table is a published table made ready for its changes: how rows are written, and where they go.
type table struct {
	name       string // "public.prices"
	encoder    *change.Encoder
	key        []int
	place      []int // of the primary key's columns, empty when not all are published
	names      []string
	identity   []bool // by column: part of the replica identity, which a delete carries
	routing    int    // index of the routing column, -1 when there is none
	partitions []*partition
	codec      *codec // nil where records are the encoder's JSON as it is
	beside     bool   // it is no table: a topic beside theirs, whose records are JSON without a Debezium's context
	// carried says whether a delete's log record holds the routing column.
	carried bool

	relation  pgoutput.Relation // as the stream described it
	arrival   uint64            // when it did, among all descriptions
	primary   []string          // the primary key's columns
	described bool              // on the schema topic
}

// spec is the topic of a table.
func (c *Config) spec(schema, name string) topic.Spec {
	spec := topic.Table(c.Prefix, schema, name, c.Partitions, c.Retention, c.Dimensions)
	spec.Replication, spec.MinInsync = c.ReplicationFactor, c.MinInsyncReplicas
	return spec
}

// routingColumn names the column whose value chooses the partition: one product's rows from all its tables meet in one
// partition number, and one order's.
func (c *Config) routingColumn(table string, columns, key []string) string {
	if column, ok := c.Routing[table]; ok {
		return column
	}
	switch table {
	case "public.products", "public.orders":
		return "id"
	case "public.order_items":
		return "order_id" // names its product too, but it is read with its order, and its key carries the order alone
	}
	for _, column := range []string{"product_id", "order_id"} {
		if slices.Contains(columns, column) {
			return column
		}
	}
	if len(key) > 0 {
		return key[0]
	}
	return ""
}

// newTable makes a relation ready. key holds the primary key's columns. Where there is none, or where a delete would not
// carry it because the replica identity is an index on other columns, the replica identity's columns are the key.
func newTable(ctx context.Context, config *Config, source change.Source, c *catalog, rel *pgoutput.Relation, key []string) (*table, error) {
	t := &table{name: rel.Schema + "." + rel.Name}
	attributes, err := c.attributes(ctx, rel.ID)
	if err != nil {
		return nil, err
	}
	names := make([]string, len(rel.Columns))
	columns := make([]change.Column, len(rel.Columns))
	for i, col := range rel.Columns {
		if columns[i], err = c.column(ctx, &source.Format, col, attributes[col.Name]); err != nil {
			return nil, err
		}
		names[i] = col.Name
		if columns[i].Omitted {
			config.Logger.Warn("column left out: its type has no mapping; --unknown-types publishes it as bytes", "table", t.name, "column", col.Name)
		}
		t.identity = append(t.identity, rel.Identity == 'f' || col.Identity)
	}
	t.names = names
	for _, name := range key {
		i := slices.Index(names, name)
		if i < 0 {
			t.place = nil
			break
		}
		t.place = append(t.place, i)
	}
	t.key = keyColumns(rel, names, key)
	key = key[:0:0]
	for _, i := range t.key {
		key = append(key, names[i])
	}
	t.routing = slices.Index(names, config.routingColumn(t.name, names, key))
	t.carried = t.routing >= 0 && (rel.Identity == 'f' || rel.Columns[t.routing].Identity)
	t.encoder = change.NewEncoder(source, rel.Schema, rel.Name, columns, t.key)
	t.codec, err = newCodec(ctx, config, t.encoder, config.spec(rel.Schema, rel.Name).Name)
	return t, err
}

func keyColumns(rel *pgoutput.Relation, names, primary []string) (indices []int) {
	for _, name := range primary {
		i := slices.Index(names, name)
		if i < 0 || (rel.Identity == 'i' && !rel.Columns[i].Identity) {
			indices = nil
			break
		}
		indices = append(indices, i)
	}
	if len(indices) > 0 || rel.Identity == 'f' {
		return indices
	}
	for i, col := range rel.Columns {
		if col.Identity {
			indices = append(indices, i)
		}
	}
	return indices
}

// partition returns where a row goes; broadcast when the row does not say, which only a delete's old row may fail to.
func (t *table) partition(row []change.Value, key []byte) (part *partition, broadcast bool) {
	if len(t.partitions) == 1 {
		return t.partitions[0], false
	}
	value := key
	if t.routing >= 0 {
		switch v := row[t.routing]; {
		case v.Kind == change.ValueText:
			value = v.Text
		case v.Kind == change.ValueUnchanged || !t.carried:
			return nil, true
		}
	}
	return t.partitions[change.Partition(value, len(t.partitions))], false
}

// sameKey says whether an update left the primary key alone. A value that was not logged did not change.
func (t *table) sameKey(before, after []change.Value) bool {
	for _, k := range t.key {
		if k >= len(before) || before[k].Kind != change.ValueText || after[k].Kind != change.ValueText {
			continue
		}
		if !bytes.Equal(before[k].Text, after[k].Text) {
			return false
		}
	}
	return true
}

// sameRoute says whether an update left the row with what it is routed by. A row that goes from one product to another moves
// also where both are in one partition: whoever keeps a document per product must be told that the old one has lost it.
func (t *table) sameRoute(before, after []change.Value) bool {
	r := t.routing
	if r < 0 || r >= len(before) || before[r].Kind != change.ValueText || after[r].Kind != change.ValueText {
		return true
	}
	return bytes.Equal(before[r].Text, after[r].Text)
}

// movable is the routing column of a table whose rows may go from one document to another under the same key, "" of others,
// and where deletes do not carry it: they could not say which document has lost the row.
func (t *table) movable() string {
	if !t.carried || slices.Contains(t.key, t.routing) {
		return ""
	}
	return t.names[t.routing]
}

// values turns a decoded tuple into the encoder's form.
func values(dst []change.Value, tuple []pgoutput.Value) []change.Value {
	dst = dst[:0]
	for _, v := range tuple {
		dst = append(dst, change.Value{Kind: v.Kind, Text: v.Data})
	}
	return dst
}
