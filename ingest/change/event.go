// Package change is the event that the whole system speaks: one change of one row, its position in the stream, the
// Debezium-compatible envelope it travels in, the names of its topics and the partition it belongs to.
//
// ingest writes events; projectors and data teams read them. It imports nothing but the standard library, so that a fold
// can use it without dragging a client along. Guarantee: Decode of what the encoder wrote yields the same event, and every
// event carries the Position that orders it against all others of its slot.
package change

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Op is the envelope's operation code.
type Op byte

// The operations of the envelope. Tombstone is the record with a null value that follows a delete.
const (
	Create    Op = 'c'
	Update    Op = 'u'
	Delete    Op = 'd'
	Read      Op = 'r'
	Truncate  Op = 't'
	Message   Op = 'm'
	Tombstone Op = 0
)

// Names of the record headers that Freshet adds to Debezium's; readers of Debezium's JSON ignore them.
const (
	HeaderCommitLSN = "commit_lsn" // "16/B374D848"
	HeaderTxIndex   = "tx_index"   // decimal
	HeaderEventID   = "event_id"   // "<system id>/<slot>/<commit lsn>/<index>", stable over every re-delivery
	HeaderUnchanged = "unchanged"  // columns whose unchanged TOAST value was not in the log, comma-separated
)

// Placeholder stands in the envelope for a value that the log did not carry, as Debezium's does; the unchanged header
// says without doubt which columns those are.
const Placeholder = "__debezium_unavailable_value"

// Header is one record header.
type Header struct {
	Key   string
	Value []byte
}

// Event is one change of one row as a consumer of a table topic sees it.
type Event struct {
	Position   Position
	Op         Op
	Table      string          // "public.prices"
	Key        json.RawMessage // primary key
	Before     json.RawMessage // nil when not known
	After      json.RawMessage // nil for deletes
	Unchanged  []string        // columns of After that hold Placeholder
	CommitTime time.Time
	XID        uint32
	// Incremental says that a Read row was read beside the stream, with no other rows of its moment: its Position is of a
	// place where it is the newest, and says nothing of the rest of the table.
	Incremental bool
}

// ErrMalformed is wrapped by every error of Decode: the record will never decode, however often it is tried.
var ErrMalformed = errors.New("malformed record")

type envelope struct {
	Before json.RawMessage `json:"before"`
	After  json.RawMessage `json:"after"`
	Source struct {
		TsUs     int64   `json:"ts_us"`
		Schema   string  `json:"schema"`
		Table    string  `json:"table"`
		TxID     *uint32 `json:"txId"`
		Snapshot string  `json:"snapshot"`
	} `json:"source"`
	Op string `json:"op"`
}

// Decode reads a record of a table topic. A null value yields an Event whose Op is Tombstone with only key and position.
func Decode(key, value []byte, headers []Header) (Event, error) {
	ev := Event{Key: key}
	if err := ev.readHeaders(headers); err != nil {
		return Event{}, err
	}
	if value == nil {
		ev.Op = Tombstone
		return ev, nil
	}
	if bytes.HasPrefix(value, []byte{0}) || bytes.HasPrefix(value, []byte(`{"schema":`)) {
		return Event{}, fmt.Errorf("%w: a record of another encoding than %s, which needs a prefix of its own", ErrMalformed, EncodingJSON)
	}
	var env envelope
	if err := json.Unmarshal(value, &env); err != nil {
		return Event{}, fmt.Errorf("%w: envelope: %w", ErrMalformed, err)
	}
	if len(env.Op) != 1 || !strings.Contains("cudrtm", env.Op) {
		return Event{}, fmt.Errorf("%w: unknown op %q", ErrMalformed, env.Op)
	}
	ev.Op = Op(env.Op[0])
	ev.Table = env.Source.Schema + "." + env.Source.Table
	ev.CommitTime = time.UnixMicro(env.Source.TsUs).UTC()
	ev.Incremental = env.Source.Snapshot == "incremental"
	ev.Before, ev.After = row(env.Before), row(env.After)
	if env.Source.TxID != nil {
		ev.XID = *env.Source.TxID
	}
	return ev, nil
}

// readHeaders takes the position from the headers; a record without one can't be ordered and so is malformed.
func (e *Event) readHeaders(headers []Header) error {
	var commit, index bool
	for _, h := range headers {
		var err error
		switch h.Key {
		case HeaderCommitLSN:
			commit = true
			e.Position.Commit, err = ParseLSN(string(h.Value))
		case HeaderTxIndex:
			index = true
			e.Position.Index, err = strconv.ParseUint(string(h.Value), 10, 64)
		case HeaderUnchanged:
			if len(h.Value) > 0 {
				e.Unchanged = strings.Split(string(h.Value), ",")
			}
		}
		if err != nil {
			return fmt.Errorf("%w: header %s: %w", ErrMalformed, h.Key, err)
		}
	}
	if !commit || !index {
		return fmt.Errorf("%w: no %s and %s headers, so it has no place in the order", ErrMalformed, HeaderCommitLSN, HeaderTxIndex)
	}
	return nil
}

// row maps JSON null to nil.
func row(raw json.RawMessage) json.RawMessage {
	if len(raw) == 0 || bytes.Equal(raw, []byte("null")) {
		return nil
	}
	return raw
}

// Foldable says why the event can't be folded into the document of its row; nil when it can: it tells what became of one
// row, and stands somewhere in the stream. The error wraps ErrMalformed.
func (e Event) Foldable() error {
	if e.Position.IsZero() {
		return fmt.Errorf("%w: event of %s without a position", ErrMalformed, e.Table)
	}
	switch e.Op {
	case Create, Update, Delete, Read:
		return nil
	case Truncate:
		return fmt.Errorf("%w: truncate of %s: it names no keys, so no document can be found; delete the rows instead, or rebuild", ErrMalformed, e.Table)
	default:
		return fmt.Errorf("%w: op %q on %s", ErrMalformed, rune(e.Op), e.Table)
	}
}

// Row decodes the row image into dst: After where there is one, else (for a delete) Before, of which only the columns of
// the replica identity are known and the others are null.
func (e Event) Row(dst any) error {
	raw := e.After
	if raw == nil {
		raw = e.Before
	}
	if err := json.Unmarshal(raw, dst); err != nil {
		return fmt.Errorf("%w: row of %s: %w", ErrMalformed, e.Table, err)
	}
	return nil
}

// IsUnchanged says whether the log left the column's value out because the update did not touch it.
func (e Event) IsUnchanged(column string) bool {
	for _, c := range e.Unchanged {
		if c == column {
			return true
		}
	}
	return false
}
