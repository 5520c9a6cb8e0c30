package pgoutput_test

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"freshet/ingest/pgoutput"
)

// recorded are the messages of one session, in the order a real server sent them. testdata/recorded holds one file for each
// protocol and some Postgres versions; of long runs of one kind the middle is left out.
func recorded(t testing.TB, name string) (messages [][]byte) {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		m, err := hex.DecodeString(lines.Text())
		if err != nil {
			t.Fatal(err)
		}
		messages = append(messages, m)
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return messages
}

func recordings(t testing.TB) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join("testdata", "recorded", "*.hex"))
	if err != nil || len(names) == 0 {
		t.Fatalf("no recordings: %v", err)
	}
	return names
}

// TestRecorded reads what real servers of several versions sent in each protocol, every kind of message among it, and finds
// each transaction's changes between its ends (pitfall 43).
func TestRecorded(t *testing.T) {
	kinds := map[pgoutput.Kind]bool{}
	for _, name := range recordings(t) {
		var d pgoutput.Decoder
		relations := map[uint32]int{}
		block := uint32(0)
		for i, m := range recorded(t, name) {
			if err := d.Decode(m); err != nil {
				t.Fatalf("%s, message %d (%x): %v", name, i, m, err)
			}
			kinds[d.Kind] = true
			switch d.Kind {
			case pgoutput.KindStreamStart:
				block = d.Stream.XID
			case pgoutput.KindStreamStop:
				block = 0
			case pgoutput.KindRelation:
				relations[d.Relation.ID] = len(d.Relation.Columns)
			case pgoutput.KindInsert, pgoutput.KindUpdate, pgoutput.KindDelete:
				for _, tuple := range [][]pgoutput.Value{d.Change.Old, d.Change.New} {
					if n := len(tuple); n > 0 && n != relations[d.Change.Relation] {
						t.Errorf("%s, message %d: %d values, the relation has %d columns", name, i, n, relations[d.Change.Relation])
					}
				}
			}
			if (block != 0 && d.Kind.CarriesXID()) != (d.XID != 0) || (d.XID != 0 && d.XID < block) {
				t.Errorf("%s, message %d (%c): transaction %d in a block of %d", name, i, d.Kind, d.XID, block)
			}
		}
	}
	for _, k := range []byte("BCORYIUDTMSEcAbPKrp") {
		if !kinds[pgoutput.Kind(k)] {
			t.Errorf("no recording holds a message of kind %c", k)
		}
	}
}

// check demands that a decoder holds no more than the message's bytes can have paid for.
func check(t *testing.T, d *pgoutput.Decoder, data []byte, err error) {
	t.Helper()
	if err != nil && !errors.Is(err, pgoutput.ErrMalformed) {
		t.Fatalf("an error of another kind: %v", err)
	}
	if err != nil {
		return
	}
	held := 0
	switch d.Kind {
	case pgoutput.KindInsert, pgoutput.KindUpdate, pgoutput.KindDelete:
		for _, v := range slices.Concat(d.Change.Old, d.Change.New) {
			held += 1 + len(v.Data)
		}
	case pgoutput.KindRelation:
		for _, c := range d.Relation.Columns {
			held += 10 + len(c.Name)
		}
	case pgoutput.KindTruncate:
		held = 4 * len(d.Truncate.Relations)
	case pgoutput.KindMessage:
		held = len(d.Message.Prefix) + len(d.Message.Content)
	}
	if held > len(data) {
		t.Fatalf("%d bytes out of a message of %d", held, len(data))
	}
}

// FuzzDecode reads one message, live or kept from a streamed block. Its corpus was recorded from real servers.
func FuzzDecode(f *testing.F) {
	for _, m := range [][]byte{beginMessage, relationMessage, insertMessage, updateMessage, longAbort, rollbackPrepare, {}} {
		f.Add(m, false)
		f.Add(m, true)
	}
	f.Fuzz(func(t *testing.T, data []byte, streamed bool) {
		var d pgoutput.Decoder
		if streamed {
			check(t, &d, data, d.DecodeStreamed(data))
			return
		}
		check(t, &d, data, d.Decode(data))
	})
}

// FuzzSession reads many messages with one decoder, whose state and buffers go from one to the next. The input is messages
// with two bytes of length before each.
func FuzzSession(f *testing.F) {
	for _, name := range recordings(f) {
		var session []byte
		for _, m := range recorded(f, name)[:40] {
			session = append(binary.BigEndian.AppendUint16(session, uint16(len(m))), m...)
		}
		f.Add(session)
	}
	f.Fuzz(func(t *testing.T, session []byte) {
		var d pgoutput.Decoder
		for len(session) >= 2 {
			n := min(int(binary.BigEndian.Uint16(session)), len(session)-2)
			m := session[2 : 2+n]
			check(t, &d, m, d.Decode(m))
			session = session[2+n:]
		}
	})
}

// BenchmarkDecode reads one message of each kind that a transaction is made of.
func BenchmarkDecode(b *testing.B) {
	row := func(kind byte) builder {
		return message(pgoutput.Kind(kind)).u32(5).u8('N').u16(6).text("123456").text("SKU-1234").text("987654").text("1999").u8('n').text("2026-01-01 00:00:00+00")
	}
	for name, data := range map[string][]byte{
		"insert": row('I'), "update": row('U'), "delete": deleteMessage, "begin": beginMessage, "commit": commitMessage, "relation": relationMessage,
	} {
		b.Run(name, func(b *testing.B) {
			var d pgoutput.Decoder
			b.SetBytes(int64(len(data)))
			b.ReportAllocs()
			for b.Loop() {
				if err := d.Decode(data); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
