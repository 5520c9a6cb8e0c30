package ingest_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"freshet/ingest"
	"freshet/ingest/change"
)

// scenario is one run of a Debezium 3.7 whose records stand in testdata/debezium/<name>.jsonl, and the settings under which
// we write the same.
type scenario struct {
	name   string
	sql    string // file, default the name
	tables string // of the publication, default all
	config func(*ingest.Config)
}

func (s scenario) file() string {
	if s.sql != "" {
		return s.sql
	}
	return s.name
}

var scenarios = []scenario{
	{name: "crud", config: func(c *ingest.Config) { c.SkipTruncates = true }},
	{name: "truncate"},
	{name: "no_tombstone", config: func(c *ingest.Config) { c.NoTombstones = true }},
	{name: "no_context_headers", config: func(c *ingest.Config) { c.NoContextHeaders = true }},
	{name: "null_default", config: func(c *ingest.Config) { c.Format.KeepNulls = true }},
	{name: "not_null"},
	{name: "not_null_schemas", sql: "not_null", config: func(c *ingest.Config) { c.Format.Encoding = change.EncodingJSONSchema }},
	{name: "schemas_enabled", config: func(c *ingest.Config) { c.Format.Encoding, c.Transactions = change.EncodingJSONSchema, true }},
	{name: "snapshot", tables: "customers, full_ident, nopk, order_lines, zz_sentinel"},
	{name: "snapshot_one", tables: "customers"},
	{name: "types_default", sql: "types"},
	{name: "types_adaptive_us", sql: "types", config: func(c *ingest.Config) {
		c.Format.Time, c.Format.Binary = "adaptive_time_microseconds", "base64-url-safe"
	}},
	{name: "types_connect_string", sql: "types", config: func(c *ingest.Config) {
		c.Format.Time, c.Format.Decimal, c.Format.Interval, c.Format.Binary = "connect", "string", "string", "base64"
	}},
	{name: "types_isostring_double", sql: "types", config: func(c *ingest.Config) {
		c.Format.Time, c.Format.Decimal, c.Format.Hstore, c.Format.Binary = "isostring", "double", "map", "hex"
	}},
	{name: "types_microseconds", sql: "types", config: func(c *ingest.Config) { c.Format.Time = "microseconds" }},
	{name: "types_nanoseconds", sql: "types", config: func(c *ingest.Config) { c.Format.Time = "nanoseconds" }},
	{name: "types_unknown", config: func(c *ingest.Config) { c.Format.IncludeUnknown = true }},
	{name: "types_unknown_off", sql: "types_unknown"},
	{name: "nan_precise"},
	{name: "nan_string", sql: "nan", config: func(c *ingest.Config) { c.Format.Decimal = "string" }},
	{name: "nan_double", sql: "nan", config: func(c *ingest.Config) { c.Format.Decimal = "double" }},
}

// TestDebezium replays the SQL of each scenario under the same settings and compares every record field by field: key,
// value and headers, with their order. What differs must be one of differences, and each of those must be met.
func TestDebezium(t *testing.T) {
	var mu sync.Mutex
	met, ran := map[string]int{}, 0
	t.Run("scenarios", func(t *testing.T) {
		for _, s := range scenarios {
			t.Run(s.name, func(t *testing.T) {
				t.Parallel()
				want := goldenRecords(t, s.name)
				got := replay(t, s, want)
				mu.Lock()
				defer mu.Unlock()
				ran++
				for _, topic := range sortedKeys(want) {
					compareTopic(t, s.name, topic, want[topic], got[topic], met)
				}
			})
		}
	})
	if ran < len(scenarios) {
		t.Skipf("%d of %d scenarios ran: what they would have met isn't known", ran, len(scenarios))
	}
	for _, d := range differences {
		if met[d.what] == 0 {
			t.Errorf("difference never met: %s", d.what)
		}
		t.Logf("%3d × %s: %s", met[d.what], d.what, d.why)
	}
}

// replay runs a scenario and returns what is on the topics of its golden records.
func replay(t *testing.T, s scenario, topics map[string][]flat) map[string][]flat {
	tables := "all tables"
	if s.tables != "" {
		tables = "table " + s.tables
	}
	r := newRig(t, statements(t, "schema")...)
	r.exec("create publication freshet for " + tables)
	before, streamed := beforeAndAfter(statements(t, s.file()))
	r.exec(before...)
	r.start(func(c *ingest.Config) {
		// One connection, as the connector had: with several, tables end side by side and the marks of their first and last rows move.
		c.Partitions, c.Dimensions, c.SnapshotConnections = 1, []string{}, 1
		if s.config != nil {
			s.config(c)
		}
	})
	r.settle()
	r.exec(streamed...)
	r.settle()
	rename := strings.NewReplacer(r.prefix, "golden", r.conn.Config().Database, "golden")
	got := map[string][]flat{}
	for topic := range topics {
		records, err := r.read(strings.Replace(topic, "golden", r.prefix, 1), 0, 0)
		if err != nil {
			t.Fatalf("read %s: %v", topic, err)
		}
		for _, record := range records {
			f := flat{}
			f.add(t, "key", record.key, rename)
			f.add(t, "value", record.value, rename)
			for _, h := range record.headers {
				f.set("header."+h.Key, rename.Replace(string(h.Value)))
			}
			got[topic] = append(got[topic], f)
		}
	}
	return got
}

func goldenRecords(t *testing.T, name string) map[string][]flat {
	t.Helper()
	f, err := os.Open(filepath.Join("testdata", "debezium", name+".jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}()
	want := map[string][]flat{}
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var g struct {
			Topic      string
			Key, Value json.RawMessage
			Headers    [][2]string
		}
		if err := json.Unmarshal(lines.Bytes(), &g); err != nil {
			t.Fatal(err)
		}
		record := flat{}
		record.add(t, "key", g.Key, strings.NewReplacer())
		record.add(t, "value", g.Value, strings.NewReplacer())
		for _, h := range g.Headers {
			record.set("header."+h[0], h[1])
		}
		want[g.Topic] = append(want[g.Topic], record)
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return want
}

func compareTopic(t *testing.T, scenario, topic string, want, got []flat, met map[string]int) {
	t.Helper()
	if len(want) != len(got) {
		t.Errorf("%s: %d records, want %d", topic, len(got), len(want))
	}
	for i := range min(len(want), len(got)) {
		for _, d := range diff(want[i], got[i]) {
			d.scenario, d.topic = scenario, strings.TrimPrefix(topic, "golden.public.")
			if reason := d.reason(); reason != "" {
				met[reason]++
				continue
			}
			t.Errorf("%s record %d, %s: Debezium %s, ours %s", topic, i, d.path, orAbsent(d.want), orAbsent(d.got))
		}
	}
}

func orAbsent(text string) string {
	if text == "" {
		return "has none"
	}
	return "writes " + text
}

// statements reads a file of SQL, one statement (or a transaction) a line.
func statements(t *testing.T, name string) []string {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("testdata", "debezium", name+".sql"))
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSpace(string(raw)), "\n")
}

// beforeAndAfter splits a scenario at the start of its connector.
func beforeAndAfter(statements []string) (before, streamed []string) {
	i := slices.Index(statements, "-- from here on it streams")
	return statements[:max(i, 0)], statements[i+1:]
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// TestDifferencesAreDocumented keeps the guide's list and the test's the same.
func TestDifferencesAreDocumented(t *testing.T) {
	guide, err := os.ReadFile(filepath.Join("..", "docs", "guides", "debezium-differences.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range differences {
		if line := fmt.Sprintf("| %s | %s |", d.what, d.why); !strings.Contains(string(guide), line) {
			t.Errorf("docs/guides/debezium-differences.md lacks\n%s", line)
		}
	}
}
