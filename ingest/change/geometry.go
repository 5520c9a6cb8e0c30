package change

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math"
	"strconv"
)

// Types of shapes in well-known binary form.
const (
	wkbPoint, wkbLine, wkbPolygon = 1, 2, 3
)

func pointSchema() Schema {
	s := semantic("struct", "io.debezium.data.geometry.Point")
	s.Doc = "Geometry (POINT)"
	s.Fields = []Field{{"x", plain("double")}, {"y", plain("double")}, {"wkb", nullable("bytes")}, {"srid", nullable("int32")}}
	return s
}

func geometrySchema(name, doc string) Schema {
	return Schema{Kind: "struct", Name: "io.debezium.data.geometry." + name, Version: 2, Doc: doc, Fields: []Field{
		{"wkb", plain("bytes")},
		{"srid", nullable("int32")},
		{"extensions", &Schema{Kind: "map", Values: plain("string"), Optional: true}},
	}}
}

// shapes are the geometric types that Debezium writes as a geometry with an extension that names them: how their points
// become well-known binary form, and what a filler holds.
var shapes = map[string]struct {
	outline func(p [][2]float64) [][2]float64
	kind    uint32
	filler  string
}{
	"box":     {corners, wkbPolygon, "(1,1),(0,0)"},
	"lseg":    {asDrawn, wkbLine, "[(0,0),(1,0)]"},
	"path":    {asDrawn, wkbLine, "[(0,0),(1,0)]"},
	"polygon": {closed, wkbPolygon, "((0,0),(1,0),(0,1))"},
}

func (t *Type) asGeometry() bool {
	switch t.name {
	case "point":
		t.write, t.schema = writePoint, pointSchema()
		t.zero = string(appendPoint(nil, 0, 0))
		return true
	case "circle":
		center := pointSchema()
		t.write, t.schema = writeCircle, semantic("struct", "io.debezium.data.geometry.Circle")
		t.schema.Doc, t.schema.Fields = "Geometry (CIRCLE)", []Field{{"center", &center}, {"radius", plain("double")}}
		t.zero = string(appendCircle(nil, 0, 0, 0))
		return true
	case "line":
		t.write, t.schema, t.zero = writeLine, semantic("struct", "io.debezium.data.geometry.Line"), `{"a":0,"b":1,"c":0}`
		t.schema.Doc, t.schema.Fields = "Geometry (LINE)", []Field{{"a", plain("double")}, {"b", plain("double")}, {"c", plain("double")}}
		return true
	}
	shape, known := shapes[t.name]
	if !known {
		return false
	}
	t.schema = geometrySchema("Geometry", "Geometry")
	t.write = func(t *Type, dst, text []byte) ([]byte, error) {
		points, err := parsePoints(text)
		if err != nil {
			return dst, err
		}
		dst = appendBase64(append(dst, `{"wkb":`...), wkb(shape.kind, shape.outline(points)))
		dst = append(append(dst, `,"srid":null,"extensions":{"type":"`...), t.name...)
		if t.name == "path" {
			dst = strconv.AppendBool(append(dst, `","closed":"`...), text[0] == '(')
		}
		return append(dst, `"}}`...), nil
	}
	t.placeholder = `{"wkb":` + base64Text([]byte(Placeholder)) + `,"srid":null,"extensions":{"type":"` + t.name + `"}}`
	// The filler is a constant of this file.
	zero, err := t.write(t, nil, []byte(shape.filler))
	if err != nil {
		panic(err)
	}
	t.zero = string(zero)
	return true
}

func asDrawn(p [][2]float64) [][2]float64 { return p }

// closed repeats the first point of a polygon at its end.
func closed(p [][2]float64) [][2]float64 {
	if p[0] == p[len(p)-1] && len(p) > 1 {
		return p
	}
	return append(p, p[0])
}

// corners walks around the box between two opposite corners.
func corners(p [][2]float64) [][2]float64 {
	a, b := p[0], p[len(p)-1]
	return [][2]float64{a, {a[0], b[1]}, b, {b[0], a[1]}, a}
}

// wkb is the well-known binary form, little-endian, of a line, or of a polygon of one ring.
func wkb(kind uint32, points [][2]float64) []byte {
	b := binary.LittleEndian.AppendUint32([]byte{1}, kind)
	if kind == wkbPolygon {
		b = binary.LittleEndian.AppendUint32(b, 1)
	}
	b = binary.LittleEndian.AppendUint32(b, uint32(len(points)))
	for _, p := range points {
		b = appendDoubles(b, p[0], p[1])
	}
	return b
}

func appendDoubles(b []byte, x, y float64) []byte {
	b = binary.LittleEndian.AppendUint64(b, math.Float64bits(x))
	return binary.LittleEndian.AppendUint64(b, math.Float64bits(y))
}

// parseNumbers reads the numbers out of a geometric text: between them stand only brackets and commas.
func parseNumbers(text []byte) ([]float64, error) {
	var numbers []float64
	for _, field := range bytes.FieldsFunc(text, func(r rune) bool { return bytes.ContainsRune([]byte("()[]{}<>,"), r) }) {
		v, err := strconv.ParseFloat(string(field), 64)
		if err != nil {
			return nil, fmt.Errorf("geometry %.60q: %w", text, err)
		}
		numbers = append(numbers, v)
	}
	return numbers, nil
}

func parsePoints(text []byte) ([][2]float64, error) {
	numbers, err := parseNumbers(text)
	if err != nil {
		return nil, err
	}
	if len(numbers) < 2 || len(numbers)%2 != 0 {
		return nil, fmt.Errorf("geometry %.60q: no points", text)
	}
	points := make([][2]float64, 0, len(numbers)/2+1)
	for i := 0; i < len(numbers); i += 2 {
		points = append(points, [2]float64{numbers[i], numbers[i+1]})
	}
	return points, nil
}

// exactly reads a geometric text of n numbers.
func exactly(text []byte, n int) ([]float64, error) {
	numbers, err := parseNumbers(text)
	if err == nil && len(numbers) != n {
		err = fmt.Errorf("geometry %.60q: want %d numbers", text, n)
	}
	return numbers, err
}

func appendPoint(dst []byte, x, y float64) []byte {
	dst = appendFloat(append(dst, `{"x":`...), x)
	dst = appendFloat(append(dst, `,"y":`...), y)
	b := binary.LittleEndian.AppendUint32([]byte{1}, wkbPoint)
	return append(appendBase64(append(dst, `,"wkb":`...), appendDoubles(b, x, y)), `,"srid":null}`...)
}

func writePoint(_ *Type, dst, text []byte) ([]byte, error) {
	n, err := exactly(text, 2)
	if err != nil {
		return dst, err
	}
	return appendPoint(dst, n[0], n[1]), nil
}

func appendCircle(dst []byte, x, y, radius float64) []byte {
	dst = appendPoint(append(dst, `{"center":`...), x, y)
	return append(appendFloat(append(dst, `,"radius":`...), radius), '}')
}

func writeCircle(_ *Type, dst, text []byte) ([]byte, error) {
	n, err := exactly(text, 3)
	if err != nil {
		return dst, err
	}
	return appendCircle(dst, n[0], n[1], n[2]), nil
}

// writeLine writes the coefficients of Ax + By + C = 0.
func writeLine(_ *Type, dst, text []byte) ([]byte, error) {
	n, err := exactly(text, 3)
	if err != nil {
		return dst, err
	}
	for i, v := range n {
		dst = appendFloat(append(dst, [...]string{`{"a":`, `,"b":`, `,"c":`}[i]...), v)
	}
	return append(dst, '}'), nil
}

// writeEWKB writes a PostGIS shape, whose text is its extended well-known binary form in hexadecimal digits.
func writeEWKB(_ *Type, dst, text []byte) ([]byte, error) {
	raw, err := hex.AppendDecode(nil, text)
	if err != nil || len(raw) < 9 {
		return dst, fmt.Errorf("geometry %.60q is no EWKB: %w", text, err)
	}
	order := binary.ByteOrder(binary.BigEndian)
	if raw[0] == 1 {
		order = binary.LittleEndian
	}
	dst = appendBase64(append(dst, `{"wkb":`...), raw)
	const hasSRID = 0x20000000
	if order.Uint32(raw[1:])&hasSRID == 0 {
		return append(dst, `,"srid":null,"extensions":null}`...), nil
	}
	dst = strconv.AppendInt(append(dst, `,"srid":`...), int64(int32(order.Uint32(raw[5:]))), 10)
	return append(dst, `,"extensions":null}`...), nil
}
