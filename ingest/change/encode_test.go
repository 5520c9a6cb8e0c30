package change_test

import (
	"bytes"
	"reflect"
	"testing"
	"time"

	"freshet/ingest/change"
)

var source = change.Source{Version: "1.2.3", Name: "shop", Database: "app", SystemID: "777", Slot: "freshet"}

func encoder() *change.Encoder {
	columns := []change.Column{
		{Name: "id", Type: typed("int8", -1)},
		{Name: "name", Type: typed("text", -1)},
		{Name: "price", Type: typed("numeric", numericModifier(10, 2))},
		{Name: "tags", Type: array("int4", -1)},
	}
	return change.NewEncoder(source, "public", "product", columns, []int{0})
}

func text(s string) change.Value { return change.Value{Kind: change.ValueText, Text: []byte(s)} }

var (
	null      = change.Value{Kind: change.ValueNull}
	unchanged = change.Value{Kind: change.ValueUnchanged}
)

func TestEnvelope(t *testing.T) {
	meta := change.Meta{
		Op: change.Create, LSN: 24023128, LastCommit: 24023119, XID: 555,
		CommitTime: 1478267490123456, Now: time.Unix(1478267490, 200101300),
	}
	got, err := encoder().AppendEnvelope(nil, &meta, nil, []change.Value{text("1"), text("x"), text("1.10"), null})
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"before":null,"after":{"id":1,"name":"x","price":"bg==","tags":null},` +
		`"source":{"version":"1.2.3","connector":"postgresql","name":"shop","ts_ms":1478267490123,"snapshot":"false","db":"app",` +
		`"sequence":"[\"24023119\",\"24023128\"]","ts_us":1478267490123456,"ts_ns":1478267490123456000,"schema":"public","table":"product",` +
		`"txId":555,"lsn":24023128,"xmin":null,"origin":null,"origin_lsn":null},` +
		`"transaction":null,"op":"c","ts_ms":1478267490200,"ts_us":1478267490200101,"ts_ns":1478267490200101300}`
	if string(got) != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestDecodeOfEncoded(t *testing.T) {
	e := encoder()
	row := []change.Value{text("7"), text("héllo"), unchanged, unchanged}
	meta := change.Meta{Op: change.Update, CommitTime: 1478267490123456, XID: 9}
	value, err := e.AppendEnvelope(nil, &meta, nil, row)
	if err != nil {
		t.Fatal(err)
	}
	key, err := e.AppendKey(nil, row)
	if err != nil {
		t.Fatal(err)
	}
	position := change.Position{Commit: 0x16B374D848, Index: 3}
	headers := []change.Header{
		{Key: change.HeaderCommitLSN, Value: change.AppendLSN(nil, position.Commit)},
		{Key: change.HeaderTxIndex, Value: []byte("3")},
		{Key: change.HeaderUnchanged, Value: e.AppendUnchanged(nil, row)},
	}
	event, err := change.Decode(key, value, headers)
	if err != nil {
		t.Fatal(err)
	}
	want := change.Event{
		Position: position, Op: change.Update, Table: "public.product", Key: []byte(`{"id":7}`),
		After: event.After, Unchanged: []string{"price", "tags"}, CommitTime: time.UnixMicro(1478267490123456).UTC(), XID: 9,
	}
	if !reflect.DeepEqual(event, want) {
		t.Errorf("got  %+v\nwant %+v", event, want)
	}
	if !bytes.Contains(event.After, []byte(`"price":"X19kZWJleml1bV91bmF2YWlsYWJsZV92YWx1ZQ==","tags":[95,95,100,`)) {
		t.Errorf("placeholders: %s", event.After)
	}
	if id := e.AppendEventID(nil, position); string(id) != "777/freshet/16/B374D848/3" {
		t.Errorf("event id %s", id)
	}
}

func TestAppendLSNIsString(t *testing.T) {
	for _, l := range []change.LSN{0, 1, 0x10, 0xffffffff, 1 << 32, 0x16B374D848, 1<<64 - 1} {
		if got := string(change.AppendLSN(nil, l)); got != l.String() {
			t.Errorf("got %s, want %s", got, l)
		}
	}
}

func TestRowOfDeleteIsItsReplicaIdentity(t *testing.T) {
	event := change.Event{Op: change.Delete, Key: []byte(`{"sku":"a"}`), Before: []byte(`{"sku":"a","product_id":5,"gtin":null}`)}
	var row struct {
		SKU       string `json:"sku"`
		ProductID int64  `json:"product_id"`
	}
	if err := event.Row(&row); err != nil || row.ProductID != 5 || row.SKU != "a" {
		t.Errorf("%+v, %v", row, err)
	}
}

func TestShortRow(t *testing.T) {
	if _, err := encoder().AppendKey(nil, nil); err == nil {
		t.Error("a row with too few values was accepted")
	}
}

func BenchmarkEnvelope(b *testing.B) {
	e := encoder()
	row := []change.Value{text("123456"), text("A product's name"), text("1234.50"), null}
	meta := change.Meta{Op: change.Create, LSN: 24023128, LastCommit: 24023119, XID: 555, CommitTime: 1478267490123456, Now: time.Now()}
	var dst []byte
	b.ReportAllocs()
	for b.Loop() {
		var err error
		if dst, err = e.AppendEnvelope(dst[:0], &meta, nil, row); err != nil {
			b.Fatal(err)
		}
	}
	b.SetBytes(int64(len(dst)))
}
