package change_test

import (
	"strings"
	"testing"

	"freshet/ingest/change"
)

// TestModes holds what a Debezium 3.7 wrote in the modes other than the default ones.
func TestModes(t *testing.T) {
	text := format(func(f *change.Format) { f.Decimal, f.Interval, f.Time = "string", "string", "connect" })
	double := format(func(f *change.Format) { f.Decimal, f.Hstore, f.Time = "double", "map", "isostring" })
	nanos := format(func(f *change.Format) { f.Time, f.Binary, f.IncludeUnknown = "nanoseconds", "hex", true })
	micros := format(func(f *change.Format) { f.Time, f.Binary = "microseconds", "base64-url-safe" })
	n102 := numericModifier(10, 2)
	tests := []struct {
		typ        change.Type
		text, want string
	}{
		{typedAs(text, "numeric", n102), "-99999999.99", `"-99999999.99"`},
		{typedAs(text, "numeric", -1), "NaN", `"NAN"`},
		{typedAs(text, "numeric", -1), "-Infinity", `"NEGATIVE_INFINITY"`},
		{typedAs(text, "money", -1), "-$92,233,720,368,547,758.08", `"-92233720368547758.08"`},
		{typedAs(text, "money", -1), "$0.05", `"0.05"`},
		{arrayAs(text, "numeric", n102), "{1.10,2.00}", `["1.10","2.00"]`},
		{typedAs(text, "time", -1), "24:00:00", "86400000"},
		{typedAs(text, "timestamp", -1), "2024-02-29 12:34:56.789012", "1709210096789"},
		{typedAs(text, "timestamp", -1), "-infinity", "-9223372036832400000"},
		{typedAs(text, "interval", -1), "P1Y2M3DT4H5M6.789S", `"P1Y2M3DT4H5M6.789S"`},
		{typedAs(text, "interval", -1), "P-1DT-1S", `"P0Y0M-1DT0H0M-1S"`},
		{typedAs(text, "interval", -1), "infinity", `"infinity"`},
		{typedAs(double, "numeric", -1), "12345678901234567890123456789012345678", "1.2345678901234568e+37"},
		{typedAs(double, "numeric", n102), "0.00", "0"},
		{typedAs(double, "numeric", -1), "Infinity", `"Infinity"`},
		{typedAs(double, "numeric", -1), "1" + strings.Repeat("0", 400), `"Infinity"`},
		{typedAs(double, "money", -1), "$12.34", "12.34"},
		{typedAs(double, "hstore", -1), `"a"=>"1", "b"=>NULL`, `{"a":"1","b":null}`},
		{typedAs(double, "date", -1), "0001-12-31 BC", `"0000-12-31Z"`},
		{typedAs(double, "date", -1), "infinity", `"+292278994-08-16Z"`},
		{typedAs(double, "time", 3), "12:34:56.789", `"12:34:56.789Z"`},
		{typedAs(double, "time", -1), "24:00:00", `"00:00:00Z"`},
		{typedAs(double, "timestamp", -1), "1582-10-15 00:00:00", `"1582-10-15T00:00:00Z"`},
		{typedAs(double, "timestamp", -1), "infinity", `"+292278994-08-16T23:00:00Z"`},
		{typedAs(nanos, "time", 0), "12:34:56", "45296000000000"},
		{typedAs(nanos, "timestamp", -1), "2024-02-29 12:34:56.789012", "1709210096789012000"},
		{typedAs(nanos, "timestamp", -1), "9999-12-31 23:59:59", "null"},
		{typedAs(nanos, "timestamp", -1), "infinity", "9223372036854775807"},
		{typedAs(nanos, "bytea", -1), `\xdead`, `"dead"`},
		{typedAs(nanos, "pg_lsn", -1), "0/1", `"302f31"`},
		{typedAs(micros, "timestamp", 0), "1969-12-31 23:59:59", "-1000000"},
		{typedAs(micros, "bytea", -1), `\xdeadbeef00`, `"3q2-7wA="`},
		{typed("box", -1), "(1,1),(0,0)", `{"wkb":"AQMAAAABAAAABQAAAAAAAAAAAPA/AAAAAAAA8D8AAAAAAADwPwAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA8D8AAAAAAADwPwAAAAAAAPA/","srid":null,"extensions":{"type":"box"}}`},
		{typed("circle", -1), "<(0,0),1>", `{"center":{"x":0,"y":0,"wkb":"AQEAAAAAAAAAAAAAAAAAAAAAAAAA","srid":null},"radius":1}`},
		{typed("line", -1), "{1,-1,0}", `{"a":1,"b":-1,"c":0}`},
		{typed("lseg", -1), "[(0,0),(1,0)]", `{"wkb":"AQIAAAACAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAPA/AAAAAAAAAAA=","srid":null,"extensions":{"type":"lseg"}}`},
		{typed("path", -1), "((0,0),(1,0))", `{"wkb":"AQIAAAACAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAPA/AAAAAAAAAAA=","srid":null,"extensions":{"type":"path","closed":"true"}}`},
		{typed("polygon", -1), "((0,0),(1,0))", `{"wkb":"AQMAAAABAAAAAwAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAADwPwAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==","srid":null,"extensions":{"type":"polygon"}}`},
		{typed("geometry", -1), "0101000020E6100000000000000000F03F0000000000000040", `{"wkb":"AQEAACDmEAAAAAAAAAAA8D8AAAAAAAAAQA==","srid":4326,"extensions":null}`},
		{typed("vector", -1), "[1,2.5,-3e-05]", "[1,2.5,-3e-05]"},
	}
	for _, test := range tests {
		if got, err := written(test.typ, test.text); err != nil || got != test.want {
			t.Errorf("%q\ngot  %s (%v)\nwant %s", test.text, got, err, test.want)
		}
	}
}

func TestTypesWithoutAMapping(t *testing.T) {
	unknown := []change.PostgresType{
		{Name: "public.address", Kind: 'c', Modifier: -1},
		{Name: "pg_lsn", Kind: 'b', Modifier: -1},
		{Name: "int4multirange", Kind: 'm', Modifier: -1},
		{Name: "_pg_lsn", Kind: 'b', Modifier: -1, Elem: &change.PostgresType{Name: "pg_lsn", Kind: 'b', Modifier: -1}},
	}
	for _, pg := range unknown {
		if _, known := change.TypeOf(pg, defaults); known {
			t.Errorf("%s is known", pg.Name)
		}
		typ, known := change.TypeOf(pg, format(func(f *change.Format) { f.IncludeUnknown = true }))
		if got, err := written(typ, "{x}"); !known || err != nil || !strings.Contains(got, "eA==") && got != `"e3h9"` {
			t.Errorf("%s: %s, %v", pg.Name, got, err)
		}
	}
	e := change.NewEncoder(change.Source{}, "public", "t", []change.Column{{Name: "gone", Omitted: true}, {Name: "id", Type: typed("int4", -1)}}, []int{1})
	value, err := e.AppendEnvelope(nil, &change.Meta{Op: change.Create}, nil, []change.Value{unchanged, text("1")})
	if err != nil || !strings.Contains(string(value), `"after":{"id":1}`) || len(e.AppendUnchanged(nil, []change.Value{unchanged, text("1")})) > 0 {
		t.Errorf("%s, %v", value, err)
	}
}

func TestDefaults(t *testing.T) {
	n102 := typed("numeric", numericModifier(10, 2))
	tests := []struct {
		typ              change.Type
		expression, want string
	}{
		{typed("text", -1), "'it''s'::text", `"it's"`},
		{typed("varchar", 24), "'dflt'::character varying", `"dflt"`},
		{typed("varchar", 24), "NULL::character varying", ""},
		{typed("int4", -1), "7", "7"},
		{typed("int4", -1), "'-1'::integer", "-1"},
		{typed("int4", -1), "nextval('t_id_seq'::regclass)", "0"},
		{typed("int4", -1), "(1 + 2)", ""},
		{typed("bool", -1), "true", "true"},
		{n102, "0", `"AA=="`},
		{typedAs(format(func(f *change.Format) { f.Decimal = "string" }), "numeric", numericModifier(10, 2)), "1.5", `"1.50"`},
		{typed("numeric", -1), "0", ""},
		{typed("timestamptz", -1), "'2020-01-01 00:00:00+00'::timestamp with time zone", `"2020-01-01T00:00:00.000000Z"`},
		{typed("timestamptz", -1), "now()", `"1970-01-01T00:00:00.000000Z"`},
		{typed("date", -1), "CURRENT_DATE", "0"},
		{typed("uuid", -1), "gen_random_uuid()", `"00000000-0000-0000-0000-000000000000"`},
		{typed("jsonb", -1), "'{}'::jsonb", `"{}"`},
		{typed("bit", 1), `B'1'::"bit"`, "true"},
		{typed("bytea", -1), `'\x00'::bytea`, ""},
		{array("int4", -1), "'{}'::integer[]", ""},
		{typed("text", -1), "('a'::text || 'b'::text)", ""},
		{typed("text", -1), "", ""},
	}
	for _, test := range tests {
		if got := test.typ.Default(test.expression); got != test.want {
			t.Errorf("%s: got %s, want %s", test.expression, got, test.want)
		}
	}
}

// TestOldRows says what stands in an old row for the columns that it does not hold, under both presets.
func TestOldRows(t *testing.T) {
	for preset, want := range map[string]string{
		change.PresetDebezium: `{"before":{"id":1,"name":"anon","note":"none","n":0,"plain":null},"after":{"id":1,"name":"x","note":"none","n":5,"plain":null},`,
		change.PresetHonest:   `{"before":{"id":1,"name":null,"note":null,"n":null,"plain":null},"after":{"id":1,"name":"x","note":null,"n":5,"plain":null},`,
	} {
		f := format(func(f *change.Format) { f.Preset = preset })
		e := change.NewEncoder(change.Source{Format: *f}, "public", "t", []change.Column{
			{Name: "id", Type: typed("int4", -1), NotNull: true, Identity: true},
			{Name: "name", Type: typed("text", -1), NotNull: true, Default: `"anon"`},
			{Name: "note", Type: typed("text", -1), Default: `"none"`},
			{Name: "n", Type: typed("int4", -1), NotNull: true},
			{Name: "plain", Type: typed("text", -1)},
		}, []int{0})
		got, err := e.AppendEnvelope(nil, &change.Meta{Op: change.Update}, []change.Value{text("1"), null, null, null, null}, []change.Value{text("1"), text("x"), null, text("5"), null})
		if err != nil || !strings.HasPrefix(string(got), want) {
			t.Errorf("%s: %v\ngot  %s\nwant %s", preset, err, got, want)
		}
	}
}

func TestFormat(t *testing.T) {
	bad := change.Format{Preset: "x", Decimal: "exact"}
	bad.SetDefaults()
	if err := bad.Validate(); err == nil || !strings.Contains(err.Error(), `preset "x"`) || !strings.Contains(err.Error(), `decimal mode "exact": want one of precise, string, double`) {
		t.Errorf("%v", err)
	}
	if err := defaults.Validate(); err != nil || defaults.String() != "" {
		t.Errorf("%v, %q", err, defaults)
	}
	honest := format(func(f *change.Format) { f.Preset = change.PresetHonest })
	if honest.String() != "decimal mode=string no fillers nulls kept preset=honest" {
		t.Errorf("%q", honest)
	}
}

func TestPlaceholders(t *testing.T) {
	hex := format(func(f *change.Format) { f.Binary, f.Hstore, f.Decimal = "hex", "map", "double" })
	const plain, coded = `"__debezium_unavailable_value"`, `"X19kZWJleml1bV91bmF2YWlsYWJsZV92YWx1ZQ=="`
	for _, test := range []struct {
		typ  change.Type
		want string
	}{
		{typed("text", -1), plain},
		{typed("jsonb", -1), plain},
		{typed("bytea", -1), coded},
		{typedAs(hex, "bytea", -1), plain},
		{typed("numeric", -1), `{"scale":0,"value":` + coded + `}`},
		{typedAs(hex, "numeric", -1), `"NaN"`},
		{typed("hstore", -1), `"{\"__debezium_unavailable_value\":\"__debezium_unavailable_value\"}"`},
		{typedAs(hex, "hstore", -1), `{"__debezium_unavailable_value":"__debezium_unavailable_value"}`},
		{array("text", -1), "[" + plain + "]"},
		{array("bytea", -1), "[" + coded + "]"},
		{array("uuid", -1), `["b68a35a7-17ad-35b3-af2a-ae46edb4545a"]`},
		{array("bool", -1), "[]"},
	} {
		e := change.NewEncoder(change.Source{}, "public", "t", []change.Column{{Name: "c", Type: test.typ}}, []int{0})
		if got, err := e.AppendKey(nil, []change.Value{unchanged}); err != nil || string(got) != `{"c":`+test.want+"}" {
			t.Errorf("got %s (%v), want %s", got, err, test.want)
		}
	}
}

// TestPlaceholdersAndFillersFitTheSchema: who reads by the schema can read what stands for a value that is not there.
func TestPlaceholdersAndFillersFitTheSchema(t *testing.T) {
	for _, f := range everyFormat() {
		for _, pg := range everyType {
			if pg.Kind == 0 {
				pg.Kind = 'b'
			}
			inArray := change.PostgresType{Name: "_" + pg.Name, Kind: 'b', Modifier: pg.Modifier, Elem: &change.PostgresType{Name: pg.Name, Kind: pg.Kind}}
			for _, pg := range []change.PostgresType{pg, inArray} {
				typ, _ := change.TypeOf(pg, f)
				e := change.NewEncoder(change.Source{Format: *f}, "public", "t", []change.Column{{Name: "c", Type: typ, NotNull: true}}, nil)
				value, err := e.AppendEnvelope(nil, &change.Meta{Op: change.Update}, []change.Value{null}, []change.Value{unchanged})
				if err != nil {
					t.Fatal(err)
				}
				avro, err := change.NewAvro(e.EnvelopeSchema())
				if err != nil {
					t.Fatal(err)
				}
				if _, err := avro.Append(nil, value); err != nil {
					t.Errorf("%s with %q: %s: %v", pg.Name, f, value, err)
				}
			}
		}
	}
}
