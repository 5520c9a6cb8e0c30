package change_test

import (
	"encoding/json"
	"strings"
	"testing"

	"freshet/ingest/change"
)

// format returns a format of which only what f sets differs from the default.
func format(f func(*change.Format)) *change.Format {
	var format change.Format
	f(&format)
	format.SetDefaults()
	return &format
}

var defaults = format(func(*change.Format) {})

func typed(name string, modifier int32) change.Type { return typedAs(defaults, name, modifier) }

func typedAs(f *change.Format, name string, modifier int32) change.Type {
	t, _ := change.TypeOf(change.PostgresType{Name: name, Kind: 'b', Modifier: modifier}, f)
	return t
}

func array(elem string, modifier int32) change.Type { return arrayAs(defaults, elem, modifier) }

func arrayAs(f *change.Format, elem string, modifier int32) change.Type {
	t, _ := change.TypeOf(change.PostgresType{
		Name: "_" + elem, Kind: 'b', Modifier: modifier, Elem: &change.PostgresType{Name: elem, Kind: 'b', Modifier: -1},
	}, f)
	return t
}

// written is the JSON of one value.
func written(typ change.Type, text string) (string, error) {
	e := change.NewEncoder(change.Source{}, "public", "t", []change.Column{{Name: "c", Type: typ}}, []int{0})
	out, err := e.AppendKey(nil, []change.Value{{Kind: change.ValueText, Text: []byte(text)}})
	if err != nil {
		return "", err
	}
	return strings.TrimSuffix(strings.TrimPrefix(string(out), `{"c":`), "}"), nil
}

// gone is a type that left the catalog.
func gone(name string) change.Type {
	t, _ := change.TypeOf(change.PostgresType{Name: name, Modifier: -1}, defaults)
	return t
}

// numericModifier is the modifier of numeric(p,s).
func numericModifier(p, s int32) int32 { return (p<<16 | s&0x7ff) + 4 }

// TestTypes holds the texts Postgres sends and the JSON a Debezium 3.7 wrote for them.
func TestTypes(t *testing.T) {
	n102 := typed("numeric", numericModifier(10, 2))
	free := typed("numeric", -1)
	timestamp, timestamptz := typed("timestamp", -1), typed("timestamptz", -1)
	tests := []struct {
		typ        change.Type
		text, want string
	}{
		{typed("int8", -1), "-9223372036854775808", "-9223372036854775808"},
		{typed("oid", -1), "4294967295", "4294967295"},
		{typed("float8", -1), "0.1", "0.1"},
		{typed("float8", -1), "-Infinity", `"-Infinity"`},
		{typed("float4", -1), "NaN", `"NaN"`},
		{typed("bool", -1), "t", "true"},
		{typed("bool", -1), "f", "false"},
		{n102, "12345.67", `"EtaH"`},
		{n102, "-99999999.99", `"/av0HAE="`},
		{n102, "0.00", `"AA=="`},
		{n102, "NaN", "null"},
		{typed("numeric", numericModifier(38, 0)), "12345678901234567890123456789012345678", `"CUmw9vACMxPESZBQ3jjzTg=="`},
		{typed("numeric", numericModifier(38, 0)), "-1", `"/w=="`},
		{typed("numeric", numericModifier(3, -2)), "12300", `"ew=="`},
		{free, "3.14159", `{"scale":5,"value":"BMsv"}`},
		{free, "1.10", `{"scale":1,"value":"Cw=="}`},
		{free, "-0.5", `{"scale":1,"value":"+w=="}`},
		{free, "100", `{"scale":0,"value":"ZA=="}`},
		{free, "1000000000000000000000000000000", `{"scale":0,"value":"DJ8snNBGdO3qQAAAAA=="}`},
		{free, "0.000000000000000000001", `{"scale":21,"value":"AQ=="}`},
		{typed("money", -1), "$12.34", `"BNI="`},
		{typed("money", -1), "-$92,233,720,368,547,758.08", `"gAAAAAAAAAA="`},
		{typed("text", -1), "quote\" back\\slash \n newline \t tab \x01 ctl / slash é 漢 😀 <>&", `"quote\" back\\slash \n newline \t tab \u0001 ctl / slash é 漢 😀 <>&"`},
		{typed("text", -1), "broken \xff", `"broken \ufffd"`},
		{typed("uuid", -1), "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", `"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"`},
		{typed("jsonb", -1), `{"a": [1.50, 2]}`, `"{\"a\": [1.50, 2]}"`},
		{typed("bytea", -1), `\xdeadbeef00`, `"3q2+7wA="`},
		{typed("bytea", -1), `\x`, `""`},
		{typed("bit", 1), "1", "true"},
		{typed("bit", 8), "10101010", `"qg=="`},
		{typed("varbit", 8), "101", `"BQ=="`},
		{typed("varbit", 8), "", `""`},
		{typed("date", -1), "2024-02-29", "19782"},
		{typed("date", -1), "1969-12-31", "-1"},
		{typed("date", -1), "9999-12-31", "2932896"},
		{typed("date", -1), "0001-01-01", "-719162"},
		{typed("date", -1), "0001-12-31 BC", "-719163"},
		{typed("date", -1), "infinity", "2147483647"},
		{typed("time", 0), "12:34:56", "45296000"},
		{typed("time", 3), "12:34:56.789", "45296789"},
		{typed("time", -1), "12:34:56.789012", "45296789012"},
		{typed("time", -1), "24:00:00", "86400000000"},
		{typed("timetz", -1), "12:34:56.789012+05:30", `"07:04:56.789012Z"`},
		{typed("timetz", -1), "23:59:59.999999-08", `"07:59:59.999999Z"`},
		{typed("timetz", -1), "24:00:00+00", `"24:00:00Z"`},
		{typed("timestamp", 0), "1969-12-31 23:59:59", "-1000"},
		{typed("timestamp", 3), "1582-10-04 00:00:00", "-12220243200000"},
		{timestamp, "2024-02-29 12:34:56.789012", "1709210096789012"},
		{timestamp, "1969-12-31 23:59:59.999999", "-1"},
		{timestamp, "infinity", "9223372036854775807"},
		{timestamp, "-infinity", "-9223372036854775808"},
		{typed("timestamptz", 0), "2024-02-29 10:34:56+00", `"2024-02-29T10:34:56Z"`},
		{timestamptz, "2024-02-29 10:34:56.789012+00", `"2024-02-29T10:34:56.789012Z"`},
		{timestamptz, "2024-01-01 00:00:00+00", `"2024-01-01T00:00:00.000000Z"`},
		{timestamptz, "2024-01-01 00:30:00+01", `"2023-12-31T23:30:00.000000Z"`},
		{timestamptz, "21016-11-04 13:51:30.123456+00", `"+21016-11-04T13:51:30.123456Z"`},
		{timestamptz, "0044-03-15 12:00:00+00 BC", `"-0043-03-15T12:00:00.000000Z"`},
		{timestamptz, "infinity", `"infinity"`},
		{typed("interval", -1), "P1Y2M3DT4H5M6.789S", "37091106789000"},
		{typed("interval", -1), "P-1DT-1S", "-86401000000"},
		{typed("interval", -1), "PT0S", "0"},
		{typed("interval", -1), "PT-0.5S", "-500000"},
		{typed("interval", -1), "P178000000Y", "9223372036854775807"},
		{typed("point", -1), "(0,-0.1)", `{"x":0,"y":-0.1,"wkb":"AQEAAAAAAAAAAAAAAJqZmZmZmbm/","srid":null}`},
		{typed("hstore", -1), `"a"=>"1", "b"=>NULL, "c d"=>"x\"y"`, `"{\"a\":\"1\",\"b\":null,\"c d\":\"x\\\"y\"}"`},
		{typed("hstore", -1), "", `"{}"`},
		{typed("int4range", -1), "[1,5)", `"[1,5)"`},
		{gone("mood"), "happy", `"happy"`},
		{array("int4", -1), "{1,NULL,3}", "[1,null,3]"},
		{array("int4", -1), "{}", "[]"},
		{array("int4", -1), "[0:1]={1,2}", "[1,2]"},
		{array("int4", -1), "{{1,2},{3,4}}", "[[1,2],[3,4]]"},
		{array("text", -1), `{a,"b c",NULL,"q\"x","NULL",""}`, `["a","b c",null,"q\"x","NULL",""]`},
		{array("bool", -1), "{t,f,NULL}", "[true,false,null]"},
		{array("numeric", numericModifier(10, 2)), "{1.10,2.00}", `["bg==","AMg="]`},
		{array("float8", -1), "{1.5,NaN}", `[1.5,"NaN"]`},
		{array("date", -1), "{2024-02-29}", "[19782]"},
		{array("timestamp", -1), `{"2024-02-29 12:34:56.789012"}`, "[1709210096789012]"},
		{array("bytea", -1), `{"\\xdead"}`, `["3q0="]`},
		{array("jsonb", -1), `{"{\"a\": 1}"}`, `["{\"a\": 1}"]`},
	}
	for _, test := range tests {
		got, err := written(test.typ, test.text)
		if err != nil {
			t.Errorf("%q: %v", test.text, err)
			continue
		}
		if got != test.want {
			t.Errorf("%q\ngot  %s\nwant %s", test.text, got, test.want)
		}
		if !json.Valid([]byte(got)) {
			t.Errorf("%q: not JSON: %s", test.text, got)
		}
	}
}

func TestTextsThatAreNotTheType(t *testing.T) {
	types := []change.Type{
		typed("int4", -1), typed("bool", -1), typed("numeric", -1), typed("numeric", numericModifier(10, 2)), typed("bytea", -1), typed("bit", 8),
		typed("date", -1), typed("time", -1), typed("timetz", -1), typed("timestamp", -1), typed("timestamptz", -1), typed("interval", -1),
		typed("point", -1), typed("hstore", -1), array("int4", -1), typed("float8", -1),
	}
	for i, typ := range types {
		for _, text := range []string{"x", "{", `{"`, "2024-", "P1", "=>", "1:2:"} {
			if got, err := written(typ, text); err == nil && !json.Valid([]byte(got)) {
				t.Errorf("type %d, %q: no error and no JSON: %s", i, text, got)
			}
		}
	}
	if _, err := written(typed("timestamp", -1), "294276-12-31 23:59:59"); err == nil || !strings.Contains(err.Error(), "column c of public.t") {
		t.Errorf("overflow: %v", err)
	}
}
