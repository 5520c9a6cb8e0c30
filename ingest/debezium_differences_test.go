package ingest_test

import (
	"math/big"
	"regexp"
	"strings"
)

// differences are the places where we do not write what Debezium wrote, each with its reason. The guide lists them with the
// same words.
var differences = []struct {
	what, why string
	is        func(difference) bool
}{
	{
		"Four more headers: `commit_lsn`, `tx_index`, `event_id`, `unchanged`",
		"They order and identify every record; Debezium has nothing that does. Readers of its JSON ignore headers they don't know.",
		func(d difference) bool { return d.want == "" && ownHeader.MatchString(d.path) },
	},
	{
		"The key where the replica identity is an index on other columns: the index's columns",
		"Old rows do not hold the primary key then. Debezium writes it with an invented 0, so all deletes share one key.",
		func(d difference) bool {
			return d.topic == "idx_ident" && (strings.HasPrefix(d.path, "key.") || strings.HasPrefix(d.path, "header.__debezium.") || strings.HasPrefix(d.path, "value.before."))
		},
	},
	{
		"Arrays of arrays: nested arrays",
		"Debezium writes `[null,null]` and so loses the values.",
		func(d difference) bool { return d.topic == "types_arr" && strings.Contains(d.path, ".after.ia2[") },
	},
	{
		"Columns of type `name`: their value",
		"Debezium's stream writes null, its snapshot the value.",
		func(d difference) bool { return strings.HasSuffix(d.path, ".after.nm") && d.want == "<nil>" },
	},
	{
		"Some `float4`: another decimal text of the same number",
		"We keep Postgres' shortest text that reads back as the same float4; Java's may have a digit more.",
		func(d difference) bool { return strings.HasSuffix(d.path, ".after.f4") && sameFloat32(d.want, d.got) },
	},
	{
		"Array of an enum in the schema: elements may be null",
		"They may be in Postgres; Debezium's schema forbids it and a null element fails its converter.",
		func(d difference) bool { return d.topic == "types_arr" && strings.HasSuffix(d.path, ".items.optional") },
	},
	{
		"Snapshot rows: `txId` null",
		"Debezium writes the id of its own reading transaction, which says nothing of the row.",
		func(d difference) bool { return strings.HasSuffix(d.path, "source.txId") && d.got == "<nil>" },
	},
	{
		"The first row of a snapshot: marker `first`, always",
		"Debezium's mark is `first_in_data_collection`, and nothing is `first`, when the tables before that row's are empty.",
		func(d difference) bool {
			return strings.HasSuffix(d.path, "source.snapshot") && d.want == `"first_in_data_collection"` && d.got == `"first"`
		},
	},
	{
		"`source.snapshot` of a streamed row: `\"false\"`, also where nulls are kept",
		"With `replace.null.with.default=false` Debezium writes null there. One word for one thing is easier to read.",
		func(d difference) bool {
			return d.scenario == "null_default" && strings.HasSuffix(d.path, "source.snapshot") && d.want == "<nil>"
		},
	},
	{
		"Keys and values have one encoding",
		"Debezium has a converter for each; we keep one setting.",
		func(d difference) bool { return d.scenario == "not_null_schemas" && strings.HasPrefix(d.path, "key.") },
	},
}

// sameFloat32 says whether two numbers are one float4.
func sameFloat32(a, b string) bool {
	x, okX := new(big.Rat).SetString(a)
	y, okY := new(big.Rat).SetString(b)
	if !okX || !okY {
		return false
	}
	f, _ := x.Float32()
	g, _ := y.Float32()
	return f == g
}

var ownHeader = regexp.MustCompile(`^header\.(commit_lsn|tx_index|event_id|unchanged)$`)

// reason names the listed difference that d is, "" when it is none.
func (d difference) reason() string {
	for _, listed := range differences {
		if listed.is(d) {
			return listed.what
		}
	}
	return ""
}
