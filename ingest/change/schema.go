package change

import "strconv"

// Schema is a Kafka Connect schema, as Debezium's converters write it beside a payload.
type Schema struct {
	// Kind is Connect's name of the form: "int16" … "int64", "float", "double", "boolean", "string", "bytes", "array",
	// "map" or "struct".
	Kind       string
	Optional   bool
	Name       string // of the meaning, "io.debezium.time.Date"; "" for none
	Version    int    // of the meaning; 0 for none
	Doc        string
	Parameters []Parameter
	Default    string  // as JSON, "" for none
	Fields     []Field // of a struct
	Items      *Schema // of an array
	Values     *Schema // of a map, whose keys are strings
}

// Parameter is a named text of a schema.
type Parameter struct{ Name, Value string }

// Field is a field of a struct.
type Field struct {
	Name   string
	Schema *Schema
}

// semantic returns a schema with a meaning of version 1.
func semantic(kind, name string) Schema { return Schema{Kind: kind, Name: name, Version: 1} }

// optional returns a copy that admits null.
func (s Schema) optional() *Schema {
	s.Optional = true
	return &s
}

// AppendJSON appends the schema in JsonConverter's form.
func (s *Schema) AppendJSON(dst []byte) []byte { return s.appendJSON(dst, "") }

func (s *Schema) appendJSON(dst []byte, field string) []byte {
	dst = append(append(append(dst, `{"type":"`...), s.Kind...), '"')
	switch s.Kind {
	case "struct":
		dst = append(dst, `,"fields":[`...)
		for i, f := range s.Fields {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = f.Schema.appendJSON(dst, f.Name)
		}
		dst = append(dst, ']')
	case "array":
		dst = s.Items.appendJSON(append(dst, `,"items":`...), "")
	case "map":
		dst = append(dst, `,"keys":{"type":"string","optional":false},"values":`...)
		dst = s.Values.appendJSON(dst, "")
	}
	dst = strconv.AppendBool(append(dst, `,"optional":`...), s.Optional)
	if s.Name != "" {
		dst = AppendString(append(dst, `,"name":`...), []byte(s.Name))
	}
	if s.Version > 0 {
		dst = strconv.AppendInt(append(dst, `,"version":`...), int64(s.Version), 10)
	}
	if s.Doc != "" {
		dst = AppendString(append(dst, `,"doc":`...), []byte(s.Doc))
	}
	if len(s.Parameters) > 0 {
		dst = appendParameters(append(dst, `,"parameters":`...), s.Parameters)
	}
	if s.Default != "" {
		dst = append(append(dst, `,"default":`...), s.Default...)
	}
	if field != "" {
		dst = AppendString(append(dst, `,"field":`...), []byte(field))
	}
	return append(dst, '}')
}

func appendParameters(dst []byte, parameters []Parameter) []byte {
	dst = append(dst, '{')
	for i, p := range parameters {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = AppendString(append(AppendString(dst, []byte(p.Name)), ':'), []byte(p.Value))
	}
	return append(dst, '}')
}

func plain(kind string) *Schema { return &Schema{Kind: kind} }

func nullable(kind string) *Schema { return &Schema{Kind: kind, Optional: true} }

// sourceSchema is that of the source block.
func sourceSchema() *Schema {
	snapshot := semantic("string", "io.debezium.data.Enum")
	snapshot.Optional, snapshot.Default = true, `"false"`
	snapshot.Parameters = []Parameter{{"allowed", "true,first,first_in_data_collection,last_in_data_collection,last,false,incremental"}}
	s := semantic("struct", "io.debezium.connector.postgresql.Source")
	s.Fields = []Field{
		{"version", plain("string")},
		{"connector", plain("string")},
		{"name", plain("string")},
		{"ts_ms", plain("int64")},
		{"snapshot", &snapshot},
		{"db", plain("string")},
		{"sequence", nullable("string")},
		{"ts_us", nullable("int64")},
		{"ts_ns", nullable("int64")},
		{"schema", plain("string")},
		{"table", plain("string")},
		{"txId", nullable("int64")},
		{"lsn", nullable("int64")},
		{"xmin", nullable("int64")},
		{"origin", nullable("string")},
		{"origin_lsn", nullable("int64")},
	}
	return &s
}

// transactionSchema is that of the transaction block.
func transactionSchema() *Schema {
	s := semantic("struct", "event.block")
	s.Optional = true
	s.Fields = []Field{{"id", plain("string")}, {"total_order", plain("int64")}, {"data_collection_order", plain("int64")}}
	return &s
}

// KeySchema is the schema of what AppendKey writes; name is "<prefix>.<schema>.<table>".
func (e *Encoder) KeySchema() *Schema {
	s := &Schema{Kind: "struct", Name: e.name + ".Key"}
	for _, k := range e.key {
		s.Fields = append(s.Fields, Field{e.columns[k.index].Name, e.columnSchema(k.index)})
	}
	return s
}

// EnvelopeSchema is the schema of what AppendEnvelope writes.
func (e *Encoder) EnvelopeSchema() *Schema {
	row := Schema{Kind: "struct", Name: e.name + ".Value", Optional: true}
	for _, f := range e.fields {
		row.Fields = append(row.Fields, Field{e.columns[f.index].Name, e.columnSchema(f.index)})
	}
	return &Schema{Kind: "struct", Name: e.name + ".Envelope", Version: 2, Fields: []Field{
		{"before", &row},
		{"after", &row},
		{"source", sourceSchema()},
		{"transaction", transactionSchema()},
		{"op", plain("string")},
		{"ts_ms", nullable("int64")},
		{"ts_us", nullable("int64")},
		{"ts_ns", nullable("int64")},
	}}
}

// columnSchema admits null where the column does, and where an old row may lack the column and gets no filler.
func (e *Encoder) columnSchema(i int) *Schema {
	c := &e.columns[i]
	s := c.Type.schema
	s.Optional, s.Default = !c.NotNull || (e.noFillers && !c.Identity), c.Default
	return &s
}
