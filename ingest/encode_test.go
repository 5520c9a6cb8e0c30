package ingest_test

import (
	"encoding/binary"
	"testing"
	"time"

	"freshet/ingest/change"
	"freshet/ingest/pgoutput"
)

// row is an insert of a typical row as it comes from the server, and the encoder of its table in the default format.
func row(tb testing.TB) (message []byte, e *change.Encoder) {
	tb.Helper()
	fields := []struct{ name, typ, text string }{
		{"id", "int8", "123456"},
		{"store_id", "int8", "42"},
		{"sku", "text", "SKU-0012345"},
		{"title", "text", "A product's name, \"quoted\""},
		{"amount", "numeric", "1234.50"},
		{"active", "bool", "t"},
		{"valid_from", "timestamptz", "2024-02-29 10:34:56.789012+00"},
		{"note", "text", ""},
		{"attributes", "jsonb", `{"color": "red", "size": 42}`},
		{"updated_at", "timestamp", "2024-02-29 10:34:56.789012"},
	}
	format := change.Format{}
	format.SetDefaults()
	message = binary.BigEndian.AppendUint16(append(binary.BigEndian.AppendUint32([]byte{'I'}, 7), 'N'), uint16(len(fields)))
	var columns []change.Column
	for _, f := range fields {
		modifier := int32(-1)
		if f.typ == "numeric" {
			modifier = (10<<16 | 2) + 4
		}
		t, _ := change.TypeOf(change.PostgresType{Name: f.typ, Kind: 'b', Modifier: modifier}, &format)
		columns = append(columns, change.Column{Name: f.name, Type: t})
		if f.text == "" {
			message = append(message, 'n')
			continue
		}
		message = append(binary.BigEndian.AppendUint32(append(message, 't'), uint32(len(f.text))), f.text...)
	}
	source := change.Source{Version: "1", Name: "freshet", Database: "shop", SystemID: "7", Slot: "freshet", Format: format}
	return message, change.NewEncoder(source, "public", "prices", columns, []int{0})
}

// decodeAndEncode is the path of one change, from the server's message to the record's bytes.
type decodeAndEncode struct {
	decoder    pgoutput.Decoder
	values     []change.Value
	key, value []byte
	meta       change.Meta
}

func (d *decodeAndEncode) run(message []byte, e *change.Encoder) (err error) {
	if err = d.decoder.Decode(message); err != nil {
		return err
	}
	d.values = d.values[:0]
	for _, v := range d.decoder.Change.New {
		d.values = append(d.values, change.Value{Kind: v.Kind, Text: v.Data})
	}
	if d.key, err = e.AppendKey(d.key[:0], d.values); err != nil {
		return err
	}
	d.value, err = e.AppendEnvelope(d.value[:0], &d.meta, nil, d.values)
	return err
}

func newDecodeAndEncode() *decodeAndEncode {
	return &decodeAndEncode{meta: change.Meta{Op: change.Create, LSN: 24023128, LastCommit: 24023119, XID: 555, CommitTime: 1478267490123456, Now: time.Now()}}
}

// TestAllocations bounds the garbage of a change: one allocation, or a fast stream is a collector's benchmark.
func TestAllocations(t *testing.T) {
	message, e := row(t)
	d := newDecodeAndEncode()
	allocations := testing.AllocsPerRun(100, func() {
		if err := d.run(message, e); err != nil {
			t.Error(err)
		}
	})
	if allocations > 1 {
		t.Errorf("%.0f allocations per change, want 1 at most", allocations)
	}
}

func BenchmarkDecodeAndEncode(b *testing.B) {
	message, e := row(b)
	d := newDecodeAndEncode()
	b.ReportAllocs()
	for b.Loop() {
		if err := d.run(message, e); err != nil {
			b.Fatal(err)
		}
	}
	b.SetBytes(int64(len(d.value)))
}

// BenchmarkAvro is the same path with the record recoded in Avro.
func BenchmarkAvro(b *testing.B) {
	message, e := row(b)
	avro, err := change.NewAvro(e.EnvelopeSchema())
	if err != nil {
		b.Fatal(err)
	}
	d := newDecodeAndEncode()
	var out []byte
	b.ReportAllocs()
	for b.Loop() {
		if err := d.run(message, e); err != nil {
			b.Fatal(err)
		}
		if out, err = avro.Append(out[:0], d.value); err != nil {
			b.Fatal(err)
		}
	}
	b.SetBytes(int64(len(out)))
}
