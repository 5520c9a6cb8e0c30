package change

import (
	"bytes"
	"fmt"
	"strconv"
)

// asExtension knows the types of extensions that are more than texts.
func (t *Type) asExtension(f *Format) bool {
	switch t.name {
	case "hstore":
		t.hstore(f.Hstore)
	case "geometry":
		t.postgis(geometrySchema("Geometry", "Geometry"))
	case "geography":
		t.postgis(geometrySchema("Geography", "Geography"))
	case "vector":
		t.vector("io.debezium.data.DoubleVector", "double")
	case "halfvec":
		t.vector("io.debezium.data.FloatVector", "float")
	default:
		return false
	}
	return true
}

// postgis is for a shape of PostGIS; the filler is its empty collection.
func (t *Type) postgis(schema Schema) {
	t.write, t.schema = writeEWKB, schema
	t.zero = `{"wkb":"AQcAAAAAAAAA","srid":null,"extensions":null}`
	t.placeholder = `{"wkb":` + base64Text([]byte(Placeholder)) + `,"srid":null,"extensions":null}`
}

// vector is for pgvector's types, whose text is a JSON array already.
func (t *Type) vector(name, item string) {
	t.write, t.zero, t.placeholder = writeVector, "[]", "[]"
	t.schema = semantic("array", name)
	t.schema.Items = plain(item)
}

func writeVector(_ *Type, dst, text []byte) ([]byte, error) {
	inner := bytes.TrimSuffix(bytes.TrimPrefix(text, []byte("[")), []byte("]"))
	if len(inner) != len(text)-2 {
		return dst, fmt.Errorf("vector %.60q", text)
	}
	dst = append(dst, '[')
	for i, number := range bytes.Split(inner, []byte(",")) {
		v, err := strconv.ParseFloat(string(number), 64)
		if err != nil {
			return dst, fmt.Errorf("vector %.60q: %w", text, err)
		}
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendFloat(dst, v)
	}
	return append(dst, ']'), nil
}

func (t *Type) hstore(mode string) {
	const placeholder = `{"` + Placeholder + `":"` + Placeholder + `"}`
	if mode == "map" {
		t.write, t.zero, t.placeholder = writeHstore, "{}", placeholder
		t.schema = Schema{Kind: "map", Values: nullable("string")}
		return
	}
	t.write, t.zero, t.placeholder = writeHstoreText, `"{}"`, quoted(placeholder)
	t.schema = semantic("string", "io.debezium.data.Json")
}

// writeHstoreText writes an object inside a string.
func writeHstoreText(t *Type, dst, text []byte) ([]byte, error) {
	object, err := writeHstore(t, nil, text)
	if err != nil {
		return dst, err
	}
	return AppendString(dst, object), nil
}

// writeHstore writes `"a"=>"1", "b"=>NULL` as an object.
func writeHstore(_ *Type, dst, text []byte) ([]byte, error) {
	dst = append(dst, '{')
	for rest := text; len(rest) > 0; {
		if len(rest) < len(text) {
			rest = bytes.TrimPrefix(rest, []byte(", "))
			dst = append(dst, ',')
		}
		key, left, err := unquote(rest)
		if err != nil || !bytes.HasPrefix(left, []byte("=>")) {
			return dst, fmt.Errorf("hstore %.60q", text)
		}
		dst = append(AppendString(dst, key), ':')
		if rest = left[2:]; bytes.HasPrefix(rest, []byte("NULL")) {
			dst, rest = append(dst, "null"...), rest[4:]
			continue
		}
		value, left, err := unquote(rest)
		if err != nil {
			return dst, fmt.Errorf("hstore %.60q", text)
		}
		dst, rest = AppendString(dst, value), left
	}
	return append(dst, '}'), nil
}
