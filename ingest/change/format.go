package change

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Presets of a Format.
const (
	// PresetDebezium writes what a Debezium with default settings writes, its fillers included.
	PresetDebezium = "debezium"
	// PresetHonest writes nothing that the database did not say: nulls stay null, decimals are decimal texts, and the old
	// row of a delete holds the replica identity alone.
	PresetHonest = "honest"
)

// Encodings of records.
const (
	EncodingJSON       = "json"        // the bare envelope
	EncodingJSONSchema = "json-schema" // {"schema":…,"payload":…}, as JsonConverter writes with schemas.enable=true
	EncodingAvro       = "avro"        // binary, with the schemas in a registry
)

// Format says how values become records. The fields are Debezium's settings of the same names and take the same words; the
// zero value of each means its default, and the zero Format is the preset PresetDebezium in EncodingJSON.
type Format struct {
	// Preset chooses the defaults of the fields below.
	Preset string
	// Encoding of keys and values; default EncodingJSON.
	Encoding string
	// Decimal is decimal.handling.mode: "precise" (base64 of the unscaled integer), "string" or "double" (which loses
	// digits past the 17th). Default "precise", under PresetHonest "string".
	Decimal string
	// Time is time.precision.mode: "adaptive" (milliseconds or microseconds by the column's precision), the same with
	// times in microseconds "adaptive_time_microseconds", "connect" (milliseconds, cuts microseconds off), "isostring",
	// "microseconds" or "nanoseconds" (timestamps before 1678 and after 2262 become null). Default "adaptive".
	Time string
	// Binary is binary.handling.mode of bytea: "bytes", "base64", "base64-url-safe" or "hex". The first two differ in the
	// schema alone. Default "bytes".
	Binary string
	// Interval is interval.handling.mode: "numeric" (microseconds, a month being 30.4375 days) or "string" (ISO 8601).
	// Default "numeric".
	Interval string
	// Hstore is hstore.handling.mode: "json" (a string that holds an object) or "map" (an object). Default "json".
	Hstore string
	// IncludeUnknown is include.unknown.datatypes: columns of types without a mapping (composites, pg_lsn, tsquery …) are
	// published as the bytes of their text in the Binary mode. Default false: such columns are left out.
	IncludeUnknown bool
	// KeepNulls leaves a null in a column with a default null. Without it the default is written in its place, as by
	// JsonConverter's replace.null.with.default. Always true under PresetHonest.
	KeepNulls bool
	// NoFillers leaves the columns that a key-only old row does not hold null. Without it those that are NOT NULL hold their
	// default, or an empty value of their type. Always true under PresetHonest.
	NoFillers bool
}

// choices are the words of each mode; the first is the default.
var choices = []struct {
	name  string
	field func(*Format) *string
	words []string
}{
	{"preset", func(f *Format) *string { return &f.Preset }, []string{PresetDebezium, PresetHonest}},
	{"encoding", func(f *Format) *string { return &f.Encoding }, []string{EncodingJSON, EncodingJSONSchema, EncodingAvro}},
	{"decimal mode", func(f *Format) *string { return &f.Decimal }, []string{"precise", "string", "double"}},
	{"time mode", func(f *Format) *string { return &f.Time }, []string{"adaptive", "adaptive_time_microseconds", "connect", "isostring", "microseconds", "nanoseconds"}},
	{"binary mode", func(f *Format) *string { return &f.Binary }, []string{"bytes", "base64", "base64-url-safe", "hex"}},
	{"interval mode", func(f *Format) *string { return &f.Interval }, []string{"numeric", "string"}},
	{"hstore mode", func(f *Format) *string { return &f.Hstore }, []string{"json", "map"}},
}

// SetDefaults fills what was left empty.
func (f *Format) SetDefaults() {
	if f.Preset == PresetHonest {
		f.KeepNulls, f.NoFillers = true, true
		if f.Decimal == "" {
			f.Decimal = "string"
		}
	}
	for _, c := range choices {
		if field := c.field(f); *field == "" {
			*field = c.words[0]
		}
	}
}

// Validate reports every word that is not one of its mode's.
func (f *Format) Validate() error {
	var problems []error
	for _, c := range choices {
		if word := *c.field(f); !slices.Contains(c.words, word) {
			problems = append(problems, fmt.Errorf("%s %q: want one of %s", c.name, word, strings.Join(c.words, ", ")))
		}
	}
	return errors.Join(problems...)
}

// String lists what differs from the default format, "" for nothing, as "decimal mode=string hstore mode=map".
func (f *Format) String() string {
	var out []string
	for _, c := range choices {
		if word := *c.field(f); word != "" && word != c.words[0] {
			out = append(out, c.name+"="+word)
		}
	}
	for name, set := range map[string]bool{"unknown types": f.IncludeUnknown, "nulls kept": f.KeepNulls, "no fillers": f.NoFillers} {
		if set {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}
