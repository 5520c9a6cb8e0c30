package ingest_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"freshet/ingest/change"
)

// TestDebezium replays the SQL of the golden records that a Debezium 3.7 wrote (testdata/debezium) and compares ours with
// them: operations, keys, row images and key-change headers, in each topic's order. Where we differ on purpose,
// differences says so.
func TestDebezium(t *testing.T) {
	for _, scenario := range []string{"types_default", "crud"} {
		t.Run(scenario, func(t *testing.T) {
			r := newRig(t, `create publication freshet for all tables`)
			r.exec(statements(t, "schema.sql")...)
			r.exec(`select setval('types_num_ser_seq', 2)`) // the golden scenario had a snapshot of other rows first
			r.start()
			r.settle()
			r.exec(statements(t, scenario+".sql")...)
			r.settle()
			want, tables := goldenRecords(t, scenario)
			for _, table := range tables {
				var got []string
				for _, e := range r.events(table) {
					if e.event.Op != change.Truncate {
						got = append(got, canonicalEvent(t, e))
					}
				}
				if scenario == "types_default" {
					compare(t, withoutTombstones(got), want[table])
					continue
				}
				compare(t, got, want[table])
			}
		})
	}
}

// differences are the places where we do not write what Debezium wrote, and what we write instead.
var differences = strings.NewReplacer(
	// A null in a column with a default is null, not the default.
	`{"id":2,"n":7,"s":"dflt","ts":"2020-01-01T00:00:00.000000Z"}`, `{"id":2,"n":null,"s":null,"ts":null}`,
	// The old row of a delete holds what the log says, the replica identity, and no fillers for the rest.
	`{"balance":null,"email":null,"id":2,"name":"anon"} -> null`, `{"balance":null,"email":null,"id":2,"name":null} -> null`,
	`{"balance":null,"email":null,"id":1,"name":"anon"} -> null`, `{"balance":null,"email":null,"id":1,"name":null} -> null`,
	// Arrays of arrays keep their values; so do columns of type name.
	`"ia2":[null,null]`, `"ia2":[[1,2],[3,4]]`,
	`[1, 2]}","nm":null`, `[1, 2]}","nm":"nm"`, `"js":"null","nm":null`, `"js":"null","nm":""`,
	`"name":"After drop","phone":"none"`, `"name":"After drop","phone":null`,
	// Another text of the same float4.
	`1.17549435e-38`, `1.1754944e-38`,
)

// skipped are tables whose golden records can't be told apart from ours by text: the key of idx_ident is the column of its
// replica identity, where Debezium writes the primary key with an invented 0.
var skipped = map[string]bool{"idx_ident": true}

func goldenRecords(t *testing.T, scenario string) (want map[string][]string, tables []string) {
	t.Helper()
	f, err := os.Open(filepath.Join("testdata", "debezium", scenario+".jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}()
	want = map[string][]string{}
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var g struct {
			Topic              string
			Key, Before, After json.RawMessage
			Op                 string
			Tombstone          bool
			Headers            map[string]json.RawMessage
		}
		if err := json.Unmarshal(lines.Bytes(), &g); err != nil {
			t.Fatal(err)
		}
		table := strings.TrimPrefix(g.Topic, "golden.public.")
		if skipped[table] {
			continue
		}
		if want[table] == nil {
			tables = append(tables, table)
		}
		line := canonical(t, g.Key) + " " + g.Op + " " + canonical(t, g.Before) + " -> " + canonical(t, g.After)
		if g.Tombstone {
			line = canonical(t, g.Key) + " -"
		}
		for _, name := range []string{"__debezium.newkey", "__debezium.oldkey"} {
			if g.Headers[name] != nil {
				line += " " + name + "=" + canonical(t, g.Headers[name])
			}
		}
		want[table] = append(want[table], differences.Replace(line))
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return want, tables
}

func canonicalEvent(t *testing.T, e rawRecord) string {
	t.Helper()
	line := fmt.Sprintf("%s %c %s -> %s", canonical(t, e.key), e.event.Op, canonical(t, e.event.Before), canonical(t, e.event.After))
	if e.event.Op == change.Tombstone {
		line = canonical(t, e.key) + " -"
	}
	for _, name := range []string{"__debezium.newkey", "__debezium.oldkey"} {
		if h := e.header(name); h != "" {
			line += " " + name + "=" + canonical(t, []byte(h))
		}
	}
	return line
}

// canonical writes JSON with sorted fields and numbers by value: Debezium's texts of floats are Java's.
func canonical(t *testing.T, raw []byte) string {
	t.Helper()
	if len(raw) == 0 {
		return "null"
	}
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	var v any
	if err := decoder.Decode(&v); err != nil {
		t.Fatalf("%s: %v", raw, err)
	}
	out, err := json.Marshal(numbers(v))
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

func numbers(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k := range v {
			v[k] = numbers(v[k])
		}
	case []any:
		for i := range v {
			v[i] = numbers(v[i])
		}
	case json.Number:
		if rat, ok := new(big.Rat).SetString(v.String()); ok {
			f, _ := rat.Float64()
			if rat.IsInt() && rat.Num().IsInt64() {
				return rat.Num().Int64()
			}
			return f
		}
	}
	return v
}

func withoutTombstones(lines []string) []string {
	var out []string
	for _, l := range lines {
		if !strings.HasSuffix(l, " -") {
			out = append(out, l)
		}
	}
	return out
}

// statements splits a file of SQL, one statement a line but for what stands between begin and commit.
func statements(t *testing.T, name string) []string {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("testdata", "debezium", name))
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSpace(string(raw)), "\n")
}
