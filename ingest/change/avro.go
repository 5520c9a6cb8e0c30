package change

import (
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
)

// Avro writes JSON of a schema in Avro's binary form. It is compiled once from a Connect schema, by the rules of Confluent's
// AvroConverter: the same names, union orders, logical types and connect.* properties. Names that Avro does not allow get
// underscores, as by Debezium's name adjustment mode "avro".
type Avro struct {
	text string
	root *avroNode
}

// NewAvro compiles a schema.
func NewAvro(s *Schema) (*Avro, error) {
	c := avroCompiler{named: map[string]bool{}}
	root := c.node(s)
	text := c.appendType(nil, s)
	if c.err != nil {
		return nil, c.err
	}
	return &Avro{string(text), root}, nil
}

// Schema is the schema as registries take it.
func (a *Avro) Schema() string { return a.text }

// Append appends the binary form of a JSON value that the schema describes, as AppendKey and AppendEnvelope write it.
func (a *Avro) Append(dst, json []byte) ([]byte, error) {
	r := avroReader{rest: json}
	dst = a.root.append(dst, &r)
	if r.err == nil && len(r.rest) > 0 {
		r.fail("more behind the value")
	}
	return dst, r.err
}

// avroCompiler turns one schema tree into text and writer.
type avroCompiler struct {
	named map[string]bool // records that were written out; a second use names them
	err   error
}

// avroKinds are Avro's names of Connect's kinds.
var avroKinds = map[string]string{
	"int16": "int", "int32": "int", "int64": "long", "float": "float", "double": "double", "boolean": "boolean",
	"string": "string", "bytes": "bytes", "array": "array", "map": "map", "struct": "record",
}

// node compiles the writer.
func (c *avroCompiler) node(s *Schema) *avroNode {
	n := &avroNode{kind: avroKinds[s.Kind], optional: s.Optional, nullSecond: s.Optional && s.Default != ""}
	switch s.Kind {
	case "array":
		n.item = c.node(s.Items)
	case "map":
		n.item = c.node(s.Values)
	case "struct":
		seen := map[string]string{}
		for i, f := range s.Fields {
			name := avroName(f.Name)
			if other, twice := seen[name]; twice {
				c.err = fmt.Errorf("fields %q and %q of %s have one name in Avro, %s", other, f.Name, s.Name, name)
			}
			seen[name] = f.Name
			n.fields = append(n.fields, avroField{fieldName(f.Name, i), c.node(f.Schema)})
		}
	}
	return n
}

// appendType appends a schema's text: a union with null where it is optional, null first unless it has a default.
func (c *avroCompiler) appendType(dst []byte, s *Schema) []byte {
	switch {
	case !s.Optional:
		return c.appendPlain(dst, s)
	case s.Default == "":
		return append(c.appendPlain(append(dst, `["null",`...), s), ']')
	default:
		return append(c.appendPlain(append(dst, '['), s), `,"null"]`...)
	}
}

func (c *avroCompiler) appendPlain(dst []byte, s *Schema) []byte {
	kind := avroKinds[s.Kind]
	name := avroFullName(s.Name)
	if s.Kind == "struct" && c.named[name] {
		return append(dst, quoted(name)...)
	}
	composed := s.Kind == "struct" || s.Kind == "array" || s.Kind == "map"
	if !composed && s.Kind != "int16" && s.Name == "" && s.Default == "" {
		return append(dst, quoted(kind)...)
	}
	dst = append(append(dst, `{"type":`...), quoted(kind)...)
	switch s.Kind {
	case "struct":
		c.named[name] = true
		dst = c.appendRecord(dst, s, name)
	case "array":
		dst = c.appendType(append(dst, `,"items":`...), s.Items)
	case "map":
		dst = c.appendType(append(dst, `,"values":`...), s.Values)
	case "int16":
		dst = append(dst, `,"connect.type":"int16"`...)
	}
	return append(appendConnect(dst, s), '}')
}

func (c *avroCompiler) appendRecord(dst []byte, s *Schema, name string) []byte {
	if dot := strings.LastIndexByte(name, '.'); dot >= 0 {
		dst = append(append(dst, `,"name":`...), quoted(name[dot+1:])...)
		dst = append(append(dst, `,"namespace":`...), quoted(name[:dot])...)
	} else {
		dst = append(append(dst, `,"name":`...), quoted(name)...)
	}
	dst = append(dst, `,"fields":[`...)
	for i, f := range s.Fields {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(append(dst, `{"name":`...), quoted(avroName(f.Name))...)
		dst = c.appendType(append(dst, `,"type":`...), f.Schema)
		switch {
		case f.Schema.Default != "":
			dst = append(append(dst, `,"default":`...), avroDefault(f.Schema)...)
		case f.Schema.Optional:
			dst = append(dst, `,"default":null`...)
		}
		dst = append(dst, '}')
	}
	return append(dst, ']')
}

// appendConnect appends the properties by which a converter finds the Connect schema again, and the logical type of the
// meanings that Avro knows too.
func appendConnect(dst []byte, s *Schema) []byte {
	logical := map[string]string{
		"org.apache.kafka.connect.data.Date": "date", "org.apache.kafka.connect.data.Time": "time-millis",
		"org.apache.kafka.connect.data.Timestamp": "timestamp-millis",
	}[s.Name]
	if s.Name == decimalMeaning {
		logical, dst = appendDecimal(dst, s)
	}
	if s.Version > 0 {
		dst = strconv.AppendInt(append(dst, `,"connect.version":`...), int64(s.Version), 10)
	}
	if s.Doc != "" {
		dst = append(append(dst, `,"connect.doc":`...), quoted(s.Doc)...)
	}
	if len(s.Parameters) > 0 {
		dst = appendParameters(append(dst, `,"connect.parameters":`...), s.Parameters)
	}
	if s.Default != "" {
		dst = append(append(dst, `,"connect.default":`...), avroDefault(s)...)
	}
	if s.Name != "" {
		dst = append(append(dst, `,"connect.name":`...), quoted(s.Name)...)
	}
	if logical != "" {
		dst = append(append(dst, `,"logicalType":`...), quoted(logical)...)
	}
	return dst
}

// appendDecimal appends scale and precision; 64 is the converter's figure where none was declared. Avro has no decimals of
// a negative scale, or of one above the precision: those stay bytes.
func appendDecimal(dst []byte, s *Schema) (logical string, out []byte) {
	scale, precision := 0, 64
	for _, p := range s.Parameters {
		n, err := strconv.Atoi(p.Value)
		if err != nil {
			continue // a parameter that is no number is no scale
		}
		switch p.Name {
		case "scale":
			scale = n
		case "connect.decimal.precision":
			precision = n
		}
	}
	if scale < 0 || scale > precision {
		return "", dst
	}
	dst = strconv.AppendInt(append(dst, `,"scale":`...), int64(scale), 10)
	return "decimal", strconv.AppendInt(append(dst, `,"precision":`...), int64(precision), 10)
}

// avroDefault is a default in Avro's JSON, where bytes are a string of code points below 256.
func avroDefault(s *Schema) string {
	if s.Kind != "bytes" {
		return s.Default
	}
	raw, err := base64.StdEncoding.DecodeString(strings.Trim(s.Default, `"`))
	if err != nil {
		return `""` // never: it was written by appendBase64
	}
	var text strings.Builder
	for _, b := range raw {
		text.WriteRune(rune(b))
	}
	return quoted(text.String())
}

// avroName makes a name that Avro allows.
func avroName(name string) string {
	name = strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '_':
			return r
		}
		return '_'
	}, name)
	if name == "" || name[0] >= '0' && name[0] <= '9' {
		return "_" + name
	}
	return name
}

// avroFullName does so with each part of a dotted name.
func avroFullName(name string) string {
	parts := strings.Split(name, ".")
	for i, p := range parts {
		parts[i] = avroName(p)
	}
	return strings.Join(parts, ".")
}
