package change_test

import (
	"encoding/json"
	"errors"
	"testing"

	"freshet/ingest/change"
)

// everyType is each type with a writer of its own, and some that only have a text.
var everyType = []change.PostgresType{
	{Name: "int2"},
	{Name: "int4"},
	{Name: "int8"},
	{Name: "oid"},
	{Name: "float4"},
	{Name: "float8"},
	{Name: "bool"},
	{Name: "money"},
	{Name: "numeric", Modifier: -1},
	{Name: "numeric", Modifier: numericModifier(10, 2)},
	{Name: "numeric", Modifier: numericModifier(3, -2)},
	{Name: "text"},
	{Name: "bpchar"},
	{Name: "uuid"},
	{Name: "jsonb"},
	{Name: "tsvector"},
	{Name: "int4range"},
	{Name: "public.mood", Kind: 'e'},
	{Name: "bytea"},
	{Name: "bit", Modifier: 1},
	{Name: "bit", Modifier: 8},
	{Name: "varbit", Modifier: -1},
	{Name: "date"},
	{Name: "time"},
	{Name: "time", Modifier: 6},
	{Name: "timetz", Modifier: 6},
	{Name: "timestamp"},
	{Name: "timestamp", Modifier: 6},
	{Name: "timestamptz"},
	{Name: "timestamptz", Modifier: 6},
	{Name: "interval"},
	{Name: "point"},
	{Name: "box"},
	{Name: "lseg"},
	{Name: "path"},
	{Name: "polygon"},
	{Name: "circle"},
	{Name: "line"},
	{Name: "hstore"},
	{Name: "geometry"},
	{Name: "geography"},
	{Name: "vector"},
	{Name: "halfvec"},
	{Name: "pg_lsn"},
}

// everyFormat has each word of each mode in one place at least.
func everyFormat() []*change.Format {
	var out []*change.Format
	for i, time := range []string{"adaptive", "adaptive_time_microseconds", "connect", "isostring", "microseconds", "nanoseconds"} {
		pick := func(words ...string) string { return words[i%len(words)] }
		out = append(out, format(func(f *change.Format) {
			f.Time, f.Decimal, f.Binary = time, pick("precise", "string", "double"), pick("bytes", "base64", "base64-url-safe", "hex")
			f.Interval, f.Hstore, f.IncludeUnknown = pick("numeric", "string"), pick("json", "map"), true
		}))
	}
	return out
}

// FuzzTypes: any text may be an error of any type; none may panic, yield what is no JSON, or JSON that the type's own schema
// does not describe.
func FuzzTypes(f *testing.F) {
	formats := everyFormat()
	for i, seed := range []string{
		"2024-01-01 00:00:00+00", "0044-03-15 12:00:00+00 BC", "12:34:56.789012+05:30", "P1Y2M3DT4H5M6.789S", "infinity", "-1.50", "NaN", "1e+30",
		"$1,234.50", `{1,{2,"x"}}`, `[0:1]={1,2}`, `"a"=>"1", "b"=>NULL`, "(1,1),(0,0)", "<(0,0),1>", "{1,-1,0}", "[1,2.5]", `\xdead`, "10101010",
		"0101000020E6100000000000000000F03F0000000000000040", "quote\" \\ \u0001 \xff 😀",
	} {
		f.Add(seed, byte(i), byte(i), i%2 == 0)
	}
	f.Fuzz(func(t *testing.T, text string, pick, mode byte, inArray bool) {
		pg := everyType[int(pick)%len(everyType)]
		if pg.Kind == 0 {
			pg.Kind = 'b'
		}
		if inArray {
			pg = change.PostgresType{Name: "_" + pg.Name, Kind: 'b', Modifier: pg.Modifier, Elem: &change.PostgresType{Name: pg.Name, Kind: pg.Kind}}
		}
		typ, _ := change.TypeOf(pg, formats[int(mode)%len(formats)])
		e := change.NewEncoder(change.Source{}, "public", "t", []change.Column{{Name: "c", Type: typ}}, []int{0})
		got, err := e.AppendKey(nil, []change.Value{{Kind: change.ValueText, Text: []byte(text)}})
		if err != nil {
			return
		}
		if !json.Valid(got) {
			t.Fatalf("%s of %q: %s", pg.Name, text, got)
		}
		avro, err := change.NewAvro(e.KeySchema())
		if err != nil {
			t.Fatal(err)
		}
		if !json.Valid([]byte(avro.Schema())) || !json.Valid(e.KeySchema().AppendJSON(nil)) {
			t.Fatalf("schemas of %s: %s", pg.Name, avro.Schema())
		}
		if _, err := avro.Append(nil, got); err != nil && !inArray { // an array of arrays has no schema
			t.Fatalf("%s of %q does not fit its schema: %v", pg.Name, text, err)
		}
	})
}

// FuzzDecode: any record is an event or malformed.
func FuzzDecode(f *testing.F) {
	value, err := encoder().AppendEnvelope(nil, &change.Meta{Op: change.Create, XID: 7}, nil, []change.Value{text("1"), text("x"), text("1.10"), null})
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte(`{"id":1}`), value, []byte("0/1"), []byte("1"), []byte("price,tags"))
	f.Add([]byte{0, 0, 0, 0, 1, 2}, []byte{0, 0, 0, 0, 1}, []byte(""), []byte("-1"), []byte(""))
	f.Fuzz(func(t *testing.T, key, value, lsn, index, unchanged []byte) {
		event, err := change.Decode(key, value, []change.Header{
			{Key: change.HeaderCommitLSN, Value: lsn}, {Key: change.HeaderTxIndex, Value: index}, {Key: change.HeaderUnchanged, Value: unchanged},
		})
		if err != nil {
			if !errors.Is(err, change.ErrMalformed) {
				t.Fatalf("%q: %v", value, err)
			}
			return
		}
		var row any
		if event.After != nil && event.Row(&row) != nil {
			t.Fatalf("after is no JSON: %s", event.After)
		}
	})
}

// FuzzAvro: any text may be an error of the writer; none may panic, or become more than ten bytes (the longest integer) for
// each of its own.
func FuzzAvro(f *testing.F) {
	e := encoder()
	avro, err := change.NewAvro(e.EnvelopeSchema())
	if err != nil {
		f.Fatal(err)
	}
	for _, row := range [][]change.Value{
		{text("1"), text("quote\" \\ \u0001 😀"), text("1.10"), text("{1,NULL}")}, {text("1"), unchanged, unchanged, unchanged}, {text("1"), null, null, null},
	} {
		value, err := e.AppendEnvelope(nil, &change.Meta{Op: change.Create, XID: 7}, row, row)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(value)
	}
	f.Fuzz(func(t *testing.T, value []byte) {
		if out, err := avro.Append(nil, value); err == nil && len(out) > 10*len(value) {
			t.Fatalf("%q becomes %d bytes", value, len(out))
		}
	})
}
