package change

import (
	"strconv"
	"strings"
)

// Type says how a column's text becomes JSON. TypeOf makes it; everything that depends on a mode is decided there, so that
// writing a value looks nothing up.
type Type struct {
	name  string
	write func(t *Type, dst, text []byte) ([]byte, error)
	// precision is the number of fraction digits of a time type, 6 unless declared.
	precision int
	// scale is a numeric's, -1 when it was declared without one.
	scale int
	elem  *Type // of an array
	enum  bool
	// placeholder stands for a value that the log did not carry, zero for one that it did not have to.
	placeholder string
	zero        string
	schema      Schema // not optional
}

// PostgresType is a type as the catalog describes it, a domain already resolved to its base type.
type PostgresType struct {
	Name     string        // pg_type.typname, with the schema before it where it is not a built-in's or an extension's
	Kind     byte          // pg_type.typtype; 0 for a type that is gone from the catalog, whose values are published as texts
	Modifier int32         // atttypmod, -1 when there is none
	Elem     *PostgresType // of an array
	Labels   []string      // of an enum
}

// TypeOf returns how values of a type are written, and false where Debezium has no mapping for it and the format asks to
// leave such columns out.
func TypeOf(pg PostgresType, f *Format) (Type, bool) {
	if pg.Elem != nil {
		return arrayOf(pg, f)
	}
	t := Type{name: pg.Name, precision: precision(pg), scale: -1, placeholder: `"` + Placeholder + `"`, zero: "0"}
	known := t.asText(pg) || t.asNumber(pg, f) || t.asBytes(pg, f) || t.asTime(f) || t.asGeometry() || t.asExtension(f)
	if !known {
		t.binary(f, textBytes)
	}
	if text := `"` + Placeholder + `"`; t.schema.Kind != "string" && t.placeholder == text {
		t.placeholder = t.zero // of a fixed length: the log leaves it out as an array's element alone
	}
	return t, known || f.IncludeUnknown
}

// textTypes are written as Postgres' own text; the value is the name of their meaning.
var textTypes = map[string]string{
	"text": "", "varchar": "", "bpchar": "", "char": "", "name": "", "citext": "", "isbn": "",
	"inet": "", "cidr": "", "macaddr": "", "macaddr8": "",
	"int4range": "", "int8range": "", "numrange": "", "tsrange": "", "tstzrange": "", "daterange": "",
	"uuid": "io.debezium.data.Uuid", "json": "io.debezium.data.Json", "jsonb": "io.debezium.data.Json", "xml": "io.debezium.data.Xml",
	"ltree": "io.debezium.data.Ltree", "tsvector": "io.debezium.data.Tsvector",
}

func (t *Type) asText(pg PostgresType) bool {
	meaning, known := textTypes[pg.Name]
	if !known && pg.Kind != 'e' && pg.Kind != 0 {
		return false
	}
	t.write, t.zero, t.schema = writeString, `""`, Schema{Kind: "string", Name: meaning}
	if pg.Kind == 'e' {
		t.enum = true
		t.schema.Name = "io.debezium.data.Enum"
		t.schema.Parameters = []Parameter{{"allowed", strings.Join(pg.Labels, ",")}}
	}
	if t.schema.Name != "" {
		t.schema.Version = 1
	}
	return true
}

func writeString(_ *Type, dst, text []byte) ([]byte, error) { return AppendString(dst, text), nil }

// integerKinds are Connect's names of the integers; an oid is unsigned and takes the next larger.
var integerKinds = map[string]string{"int2": "int16", "int4": "int32", "int8": "int64", "oid": "int64"}

func (t *Type) asNumber(pg PostgresType, f *Format) bool {
	switch pg.Name {
	case "int2", "int4", "int8", "oid":
		t.write, t.schema.Kind = writeInteger, integerKinds[pg.Name]
	case "float4":
		t.write, t.schema.Kind = writeFloat, "float"
	case "float8":
		t.write, t.schema.Kind = writeFloat, "double"
	case "bool":
		t.boolean()
	case "numeric":
		t.numeric(pg.Modifier, f.Decimal)
	case "money":
		t.scale = moneyScale
		t.decimal(f.Decimal, writeMoney, writeMoneyText, writeMoneyDouble)
	default:
		return false
	}
	return true
}

func (t *Type) boolean() { t.write, t.zero, t.schema.Kind = writeBool, "false", "boolean" }

func (t *Type) asBytes(pg PostgresType, f *Format) bool {
	switch {
	case pg.Name == "bytea":
		t.binary(f, byteaBytes)
	case pg.Name == "bit" && pg.Modifier == 1, pg.Name == "varbit" && pg.Modifier == 1:
		t.boolean()
	case pg.Name == "bit", pg.Name == "varbit":
		t.write, t.zero, t.schema = writeBits, `""`, semantic("bytes", "io.debezium.data.Bits")
		length := pg.Modifier
		if length < 0 { // varbit without a length: Debezium's figure for none
			length = 1<<31 - 1
		}
		t.placeholder = base64Text([]byte(Placeholder))
		t.schema.Parameters = []Parameter{{"length", strconv.Itoa(int(length))}}
	default:
		return false
	}
	return true
}

// precision is 6 where the modifier does not say otherwise; only the time types ask.
func precision(pg PostgresType) int {
	if pg.Modifier >= 0 && pg.Modifier <= 6 {
		return int(pg.Modifier)
	}
	return 6
}

func (t *Type) appendValue(dst, text []byte) ([]byte, error) { return t.write(t, dst, text) }

func arrayOf(pg PostgresType, f *Format) (Type, bool) {
	elem, known := TypeOf(PostgresType{Name: pg.Elem.Name, Kind: pg.Elem.Kind, Modifier: pg.Modifier, Elem: pg.Elem.Elem, Labels: pg.Elem.Labels}, f)
	t := Type{name: pg.Name, write: writeArray, scale: -1, elem: &elem, placeholder: arrayPlaceholder(pg.Elem.Name, &elem), zero: "[]"}
	t.schema = Schema{Kind: "array", Items: elem.schema.optional()}
	return t, known
}

// arrayPlaceholder follows Debezium's odd forms, which its readers know: an array of numbers holds the bytes of the text.
func arrayPlaceholder(name string, elem *Type) string {
	switch kind := elem.schema.Kind; {
	case name == "uuid":
		return `["b68a35a7-17ad-35b3-af2a-ae46edb4545a"]` // the name-based UUID of the placeholder
	case strings.HasPrefix(kind, "int"), kind == "float", kind == "double":
		var b strings.Builder
		for i := range len(Placeholder) {
			b.WriteByte(',')
			b.WriteString(strconv.Itoa(int(Placeholder[i])))
		}
		return "[" + b.String()[1:] + "]"
	case kind == "boolean", kind == "array":
		return "[]" // can't hold the text; the unchanged header still names the column
	}
	return "[" + elem.placeholder + "]"
}
