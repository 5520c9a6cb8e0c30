package ingest

import (
	"bytes"
	"errors"
	"io"
	"reflect"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"pgregory.net/rapid"

	"freshet/ingest/change"
)

// TestBatch reads batches of ours with kafka-go's own decoder, plain and compressed.
func TestBatch(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		nullable := rapid.OneOf(rapid.Just([]byte(nil)), rapid.SliceOfN(rapid.Byte(), 0, 300))
		var b batch
		b.reset()
		var want []record
		for range rapid.IntRange(1, 20).Draw(t, "records") {
			r := record{key: nullable.Draw(t, "key"), value: nullable.Draw(t, "value")}
			for range rapid.IntRange(0, 3).Draw(t, "headers") {
				r.headers = append(r.headers, recordHeader{rapid.String().Draw(t, "name"), rapid.SliceOf(rapid.Byte()).Draw(t, "header")})
			}
			b.add(&r, time.UnixMilli(1_700_000_000_000+int64(len(want))))
			want = append(want, r)
		}
		codec := kafka.Compression(rapid.SampledFrom([]int{0, 1, 2, 3, 4}).Draw(t, "codec"))
		wire, err := b.seal(codec)
		if err != nil {
			t.Fatal(err)
		}
		equal(t, decode(t, wire), want)
		ours, err := b.records()
		if err != nil {
			t.Fatal(err)
		}
		equal(t, ours, want)
	})
}

func decode(t *rapid.T, wire []byte) (out []record) {
	var set protocol.RecordSet
	if _, err := set.ReadFrom(bytes.NewReader(wire)); err != nil {
		t.Fatal(err)
	}
	for {
		r, err := set.Records.ReadRecord()
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		key, keyErr := protocol.ReadAll(r.Key)
		value, valueErr := protocol.ReadAll(r.Value)
		if keyErr != nil || valueErr != nil {
			t.Fatal(keyErr, valueErr)
		}
		if want := int64(1_700_000_000_000 + len(out)); r.Offset != int64(len(out)) || r.Time.UnixMilli() != want {
			t.Fatalf("record %d has offset %d and time %d", len(out), r.Offset, r.Time.UnixMilli())
		}
		got := record{key: key, value: value}
		for _, h := range r.Headers {
			got.headers = append(got.headers, recordHeader{h.Key, h.Value})
		}
		out = append(out, got)
	}
}

func equal(t *rapid.T, got, want []record) {
	if len(got) != len(want) {
		t.Fatalf("%d records, want %d", len(got), len(want))
	}
	for i := range want {
		same := bytes.Equal(got[i].key, want[i].key) && (got[i].key == nil) == (want[i].key == nil) &&
			bytes.Equal(got[i].value, want[i].value) && (got[i].value == nil) == (want[i].value == nil) && len(got[i].headers) == len(want[i].headers)
		for j := 0; same && j < len(want[i].headers); j++ {
			same = got[i].headers[j].key == want[i].headers[j].key && bytes.Equal(got[i].headers[j].value, want[i].headers[j].value)
		}
		if !same {
			t.Fatalf("record %d:\ngot  %+v\nwant %+v", i, got[i], want[i])
		}
	}
}

func BenchmarkBatch(b *testing.B) {
	r := record{key: []byte(`{"id":12345}`), value: bytes.Repeat([]byte("x"), 700), headers: []recordHeader{
		{"commit_lsn", []byte("16/B374D848")}, {"tx_index", []byte("3")}, {"event_id", []byte("7710588027554850866/freshet/16/B374D848/3")},
	}}
	var batch batch
	batch.reset()
	now := time.Now()
	b.ReportAllocs()
	for b.Loop() {
		if batch.size() > 512<<10 {
			batch.reset()
		}
		batch.add(&r, now)
	}
}

func TestDecide(t *testing.T) {
	config := Config{PostgresURL: "x", Brokers: []string{"x"}}
	config.setDefaults()
	stored := position{State: streaming, Generation: 1, LSN: 100, SystemID: "7", Timeline: 1, Database: "shop", Slot: "freshet", Publication: "freshet"}
	srv := server{SystemID: "7", Timeline: 1, Database: "shop", WAL: 200}
	slot := slotState{Plugin: "pgoutput", Database: "shop", Confirmed: 90, WALStatus: "reserved"}
	with := func(f func(p *position, s *server, l *slotState)) (position, server, slotState) {
		p, s, l := stored, srv, slot
		f(&p, &s, &l)
		return p, s, l
	}
	tests := map[string]struct {
		change        func(p *position, s *server, l *slotState)
		noPos, noSlot bool
		resnapshot    bool
		adopt         bool
		want          decision
		refused       bool
	}{
		"goes on":                  {want: startStreaming},
		"first start":              {noPos: true, noSlot: true, want: startSnapshot},
		"resnapshot":               {resnapshot: true, want: startOver},
		"resnapshot without slot":  {resnapshot: true, noSlot: true, want: startOver},
		"cut off in its snapshot":  {change: func(p *position, _ *server, _ *slotState) { p.State = snapshotting }, want: startStreaming},
		"cut off before its slot":  {change: func(p *position, _ *server, _ *slotState) { p.State, p.LSN = snapshotting, 0 }, noSlot: true, want: startOver},
		"cut off making its slot":  {change: func(p *position, _ *server, _ *slotState) { p.State, p.LSN = snapshotting, 0 }, want: startOver},
		"slot lost in a snapshot":  {change: func(p *position, _ *server, _ *slotState) { p.State = snapshotting }, noSlot: true, want: startOver},
		"position lost":            {noPos: true, refused: true},
		"adopts a slot":            {noPos: true, adopt: true, want: adoptSlot},
		"adopts no lost slot":      {noPos: true, adopt: true, change: func(_ *position, _ *server, l *slotState) { l.WALStatus = "lost" }, refused: true},
		"has no slot to adopt":     {noPos: true, noSlot: true, adopt: true, refused: true},
		"adopted it before":        {adopt: true, want: startStreaming},
		"slot lost":                {noSlot: true, refused: true},
		"slot ahead":               {change: func(_ *position, _ *server, l *slotState) { l.Confirmed = 101 }, refused: true},
		"slot at the same place":   {change: func(_ *position, _ *server, l *slotState) { l.Confirmed = 100 }, want: startStreaming},
		"log lost":                 {change: func(_ *position, _ *server, l *slotState) { l.WALStatus = "lost" }, refused: true},
		"another cluster":          {change: func(_ *position, s *server, _ *slotState) { s.SystemID = "8" }, refused: true},
		"another database":         {change: func(_ *position, s *server, l *slotState) { s.Database, l.Database = "other", "other" }, refused: true},
		"slot of another database": {change: func(_ *position, _ *server, l *slotState) { l.Database = "other" }, refused: true},
		"slot of another plugin":   {change: func(_ *position, _ *server, l *slotState) { l.Plugin = "wal2json" }, refused: true},
		"server behind":            {change: func(_ *position, s *server, _ *slotState) { s.WAL = 99 }, refused: true},
		"promoted after us":        {change: func(_ *position, s *server, _ *slotState) { s.Timeline, s.Switched = 2, 100 }, want: startStreaming},
		"promoted before us":       {change: func(_ *position, s *server, _ *slotState) { s.Timeline, s.Switched = 2, 99 }, refused: true},
		"timeline of elsewhere":    {change: func(_ *position, s *server, _ *slotState) { s.Timeline = 2 }, refused: true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if test.change == nil {
				test.change = func(*position, *server, *slotState) {}
			}
			p, s, l := with(test.change)
			pos, state := &p, &l
			if test.noPos {
				pos = nil
			}
			if test.noSlot {
				state = nil
			}
			config := config
			config.AdoptSlot = test.adopt
			got, err := decide(&config, pos, s, state, test.resnapshot)
			var refused *RefusedError
			if errors.As(err, &refused) != test.refused || (err == nil && got != test.want) {
				t.Errorf("got %v, %v", got, err)
			}
		})
	}
}

func TestPositionsReplace(t *testing.T) {
	older := position{State: streaming, Generation: 1, LSN: 90}
	for name, newer := range map[string]position{
		"further":           {State: streaming, Generation: 1, LSN: 91},
		"another life":      {State: snapshotting, Generation: 2},
		"another, streamed": {State: streaming, Generation: 2, LSN: 5},
	} {
		if !newer.replaces(older) || older.replaces(newer) {
			t.Errorf("%s: %+v against %+v", name, newer, older)
		}
	}
}

func TestSwitchPoint(t *testing.T) {
	const history = "1\t0/3000148\tno recovery target specified\n2\t1/A0\tno recovery target specified\n"
	if got := switchPoint(history, 2); got != 1<<32|0xA0 {
		t.Errorf("got %s", got)
	}
	if got := switchPoint(history, 5); got != 0 {
		t.Errorf("got %s for a timeline that is not there", got)
	}
}

// TestCopyText undoes what Postgres' COPY TO does to a row, in pieces of any size.
func TestCopyText(t *testing.T) {
	const copied = "1\ta\\tb\\nc\\\\d\\bx\\vy\t\\N\n2\t\té\\rz\n"
	want := [][]string{{"1", "a\tb\nc\\d\bx\vy", "NULL"}, {"2", "", "é\rz"}}
	for size := 1; size <= len(copied); size++ {
		var got [][]string
		w := rowWriter{columns: 3}
		w.row = func(values []change.Value) error {
			var row []string
			for _, v := range values {
				if v.Kind == 'n' {
					row = append(row, "NULL")
					continue
				}
				row = append(row, string(v.Text))
			}
			got = append(got, row)
			return nil
		}
		for at := 0; at < len(copied); at += size {
			if _, err := w.Write([]byte(copied[at:min(at+size, len(copied))])); err != nil {
				t.Fatal(err)
			}
		}
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("pieces of %d: %q", size, got)
		}
	}
	w := rowWriter{columns: 2}
	if _, err := w.Write([]byte("1\t2\t3\n")); err == nil {
		t.Error("a row with a column too many was taken")
	}
}

func TestConfig(t *testing.T) {
	bad := Config{Slot: "No", Partitions: -1, BatchBytes: 5, MaxRecordBytes: 1, Routing: map[string]string{"x": "y"}}
	_, err := New(bad)
	if err == nil || bytes.Count([]byte(err.Error()), []byte("\n")) < 6 {
		t.Errorf("not every problem is named: %v", err)
	}
}
