package ingest_test

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/twmb/avro"

	"freshet/ingest"
	"freshet/ingest/change"
)

// schemaRegistry is a fake of a registry: it gives each schema an id and keeps it. A real one can't be had from the
// registries of packages, so its checks of compatibility are not tested here.
type schemaRegistry struct {
	mu      sync.Mutex
	schemas []string
	last    map[string]string // subject -> its last schema
}

func (s *schemaRegistry) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var body struct{ Schema string }
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	s.last[strings.Split(r.URL.Path, "/")[2]] = body.Schema
	id := slices.Index(s.schemas, body.Schema)
	if id < 0 {
		id = len(s.schemas)
		s.schemas = append(s.schemas, body.Schema)
	}
	if err := json.NewEncoder(w).Encode(map[string]int{"id": id}); err != nil {
		panic(http.ErrAbortHandler)
	}
}

// serveAvro makes an ingest write Avro, with the fake as its registry.
func serveAvro(t *testing.T, fake *schemaRegistry) func(*ingest.Config) {
	server := httptest.NewServer(fake)
	t.Cleanup(server.Close)
	return func(c *ingest.Config) { c.Format.Encoding, c.Registry = change.EncodingAvro, server.URL }
}

// publishInAvro runs a scenario in Avro of tables and returns its rig.
func publishInAvro(t *testing.T, sql, tables string, fake *schemaRegistry) *rig {
	t.Helper()
	r := newRig(t, statements(t, "schema")...)
	r.exec("create publication freshet for table " + tables)
	before, streamed := beforeAndAfter(statements(t, sql))
	r.exec(before...)
	r.start(serveAvro(t, fake), func(c *ingest.Config) {
		c.Partitions, c.Dimensions, c.SkipTruncates, c.SnapshotConnections = 1, []string{}, true, 1
	})
	r.settle()
	r.exec(streamed...)
	r.settle()
	return r
}

// compareAvro reads a topic with a library that is not ours by the schemas of the registry, and wants to find what Debezium
// wrote as JSON.
func compareAvro(t *testing.T, r *rig, topic string, golden []flat, fake *schemaRegistry) {
	t.Helper()
	rename := strings.NewReplacer(r.prefix, "golden", r.conn.Config().Database, "golden")
	records, err := r.read(strings.Replace(topic, "golden", r.prefix, 1), 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	if len(records) != len(golden) {
		t.Fatalf("%s: %d records, want %d", topic, len(records), len(golden))
	}
	for i, record := range records {
		got := flat{}
		got.addAvro(t, "key", fake.read(t, record.key), rename)
		got.addAvro(t, "value", fake.read(t, record.value), rename)
		for _, d := range diff(golden[i], got) {
			d.topic = strings.TrimPrefix(topic, "golden.public.")
			if d.path == "order" || strings.HasPrefix(d.path, "header.") || d.reason() != "" {
				continue
			}
			t.Errorf("%s record %d, %s: want %s, got %s", topic, i, d.path, d.want, d.got)
		}
	}
}

// TestAvroTypes publishes the rows of every type in Avro.
func TestAvroTypes(t *testing.T) {
	fake := &schemaRegistry{last: map[string]string{}}
	r := publishInAvro(t, "types", "types_num, types_text, types_time, types_net, types_inf, types_arr", fake)
	golden := goldenRecords(t, "types_default")
	// Avro has no form for arrays of arrays in a column that the schema calls an array of integers.
	golden["golden.public.types_arr"] = slices.DeleteFunc(golden["golden.public.types_arr"], func(f flat) bool { return f.values["value.after.ia2[0]"] != "" })
	for _, topic := range sortedKeys(golden) {
		compareAvro(t, r, topic, golden[topic], fake)
	}
	letters, err := r.read(change.DeadLetterTopic(r.prefix), 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	if len(letters) != 2 || !strings.Contains(letters[0].header("dl_reason"), "want an integer") {
		t.Errorf("dead letters of nested arrays: %d", len(letters))
	}
	if schema := fake.last[strings.Replace("golden.public.types_num-value", "golden", r.prefix, 1)]; !strings.Contains(schema, `"name":"n_10_2","type":["null",`+
		`{"type":"bytes","scale":2,"precision":10,"connect.version":1,"connect.parameters":{"scale":"2","connect.decimal.precision":"10"},`+
		`"connect.name":"org.apache.kafka.connect.data.Decimal","logicalType":"decimal"}],"default":null}`) {
		t.Errorf("schema: %s", schema)
	}
}

// TestAvroChanges publishes updates, deletes, key changes, unchanged TOAST, nulls with defaults and changed tables in Avro.
func TestAvroChanges(t *testing.T) {
	fake := &schemaRegistry{last: map[string]string{}}
	r := publishInAvro(t, "crud", `customers, order_lines, full_ident, idx_ident, nopk, toasty, toasty_full, defaults`, fake)
	golden := goldenRecords(t, "crud")
	for _, table := range []string{"customers", "order_lines", "full_ident", "idx_ident", "nopk", "toasty", "toasty_full", "defaults"} {
		topic := "golden.public." + table
		compareAvro(t, r, topic, golden[topic], fake)
	}
	if schema := fake.last[r.prefix+".public.customers-value"]; !strings.Contains(schema, `"name":"phone"`) || strings.Contains(schema, `"name":"email"`) {
		t.Errorf("schema of the changed table: %s", schema)
	}
}

// read decodes a record in Confluent's wire form. The logical types are parsed too, but left out of the reading: the bytes
// of a decimal are what is compared.
func (s *schemaRegistry) read(t *testing.T, wire []byte) any {
	t.Helper()
	if len(wire) == 0 {
		return nil
	}
	if len(wire) < 5 || wire[0] != 0 {
		t.Fatalf("no Avro: %.40q", wire)
	}
	s.mu.Lock()
	text := s.schemas[binary.BigEndian.Uint32(wire[1:])]
	s.mu.Unlock()
	if _, err := avro.Parse(text); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	schema, err := avro.Parse(strings.ReplaceAll(text, `"logicalType"`, `"was"`))
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	var v any
	rest, err := schema.Decode(wire[5:], &v)
	if err != nil || len(rest) > 0 {
		t.Fatalf("decode %q by %s: %v, %d bytes left", wire, text, err, len(rest))
	}
	return v
}

// addAvro takes a decoded value apart, in the forms of JSON.
func (f *flat) addAvro(t *testing.T, path string, v any, rename *strings.Replacer) {
	t.Helper()
	switch v := v.(type) {
	case map[string]any:
		f.set(path, "{")
		for _, name := range sortedKeys(v) {
			f.addAvro(t, path+"."+name, v[name], rename)
		}
	case []any:
		f.set(path, "[")
		for i, item := range v {
			f.addAvro(t, fmt.Sprintf("%s[%d]", path, i), item, rename)
		}
	case []byte:
		f.set(path, strconv.Quote(base64.StdEncoding.EncodeToString(v)))
	case string:
		f.set(path, strconv.Quote(rename.Replace(v)))
	case float32:
		f.setFloat(path, float64(v), 32)
	case float64:
		f.setFloat(path, v, 64)
	default:
		f.set(path, fmt.Sprint(v))
	}
}

func (f *flat) setFloat(path string, v float64, bits int) {
	text := strconv.FormatFloat(v, 'g', -1, bits)
	if rat, ok := new(big.Rat).SetString(text); ok {
		f.set(path, rat.RatString())
		return
	}
	f.set(path, strconv.Quote(strings.NewReplacer("+Inf", "Infinity", "-Inf", "-Infinity").Replace(text)))
}
