package change

import (
	"fmt"
	"strconv"
	"time"
	"unicode/utf8"
)

// Kinds of a Value, the letters of the replication protocol.
const (
	ValueNull      = 'n'
	ValueUnchanged = 'u' // an unchanged TOAST value, which the log does not carry
	ValueText      = 't'
	ValueJSON      = 'j' // of no protocol: already as the envelope has it, taken from a record
)

// Value is one column's value: the text Postgres writes for it, under DateStyle ISO, TimeZone UTC, IntervalStyle iso_8601,
// extra_float_digits 1 or more and bytea_output hex; of kind ValueJSON its JSON.
type Value struct {
	Kind byte
	Text []byte
}

// Column describes a column to the encoder.
type Column struct {
	Name string
	Type Type
	// Omitted leaves the column out of the records, as one of a type without a mapping is.
	Omitted bool
	NotNull bool
	// Identity says that old rows hold the column: it is in the replica identity.
	Identity bool
	// Default is the column's default as JSON, "" for none; see Type.Default.
	Default string
}

// Source is what the source block of every envelope of a stream has in common.
type Source struct {
	Version  string // of Freshet
	Name     string // topic prefix
	Database string
	SystemID string // of the Postgres cluster, for event ids
	Slot     string // for event ids
	Format   Format // of its records, with its defaults set
}

// Encoder writes the records of one table. It is built once for each shape of the table and keeps no state between
// records; buffers are the caller's.
type Encoder struct {
	Table string // "public.prices"

	name      string // "<prefix>.public.prices", of the schemas
	columns   []Column
	fields    []field
	key       []field
	noFillers bool
	head      string // the source block up to its first ts_ms
	middle    string // between snapshot and sequence
	tail      string // between ts_ns and txId
	eventID   string // "<system id>/<slot>/"
}

// field is a column that is written.
type field struct {
	index  int
	name   string // `"name":` with the comma before it where it is not the first
	null   string // what is written for a null
	filler string // what is written in an old row for a null
}

// NewEncoder returns the encoder of a table. key lists the indices of the primary key's columns in the key's order; none
// means that records have no key.
func NewEncoder(src Source, schema, table string, columns []Column, key []int) *Encoder {
	e := &Encoder{
		Table: schema + "." + table, name: src.Name + "." + schema + "." + table, columns: columns, noFillers: src.Format.NoFillers,
		head:   `"source":{"version":` + quoted(src.Version) + `,"connector":"postgresql","name":` + quoted(src.Name) + `,"ts_ms":`,
		middle: `,"db":` + quoted(src.Database) + `,"sequence":"[`,
		tail:   `,"schema":` + quoted(schema) + `,"table":` + quoted(table) + `,"txId":`,

		eventID: src.SystemID + "/" + src.Slot + "/",
	}
	for i, c := range columns {
		if c.Omitted {
			continue
		}
		e.fields = append(e.fields, newField(&c, i, len(e.fields), &src.Format))
	}
	for _, k := range key {
		e.key = append(e.key, newField(&columns[k], k, len(e.key), &src.Format))
	}
	return e
}

// newField decides what stands for a null: in a column with a default that default, in a NOT NULL column of an old row that
// does not hold it an empty value.
func newField(c *Column, index, place int, f *Format) field {
	w := field{index: index, name: fieldName(c.Name, place), null: "null"}
	if !f.KeepNulls && c.Default != "" {
		w.null = c.Default
	}
	w.filler = w.null
	if c.NotNull && !c.Identity && !f.NoFillers {
		if w.filler = c.Default; w.filler == "" {
			w.filler = c.Type.zero
		}
	}
	if f.NoFillers && !c.Identity {
		w.filler = "null"
	}
	return w
}

func quoted(s string) string { return string(AppendString(nil, []byte(s))) }

func fieldName(name string, i int) string {
	if i == 0 {
		return quoted(name) + ":"
	}
	return "," + quoted(name) + ":"
}

// HasKey says whether the table's records have a key.
func (e *Encoder) HasKey() bool { return len(e.key) > 0 }

// KeyColumns returns the indices of the key's columns.
func (e *Encoder) KeyColumns() []int {
	indices := make([]int, len(e.key))
	for i, k := range e.key {
		indices[i] = k.index
	}
	return indices
}

// AppendKey appends the record key of a row.
func (e *Encoder) AppendKey(dst []byte, row []Value) ([]byte, error) {
	dst = append(dst, '{')
	for i := range e.key {
		var err error
		if dst, err = e.appendField(dst, &e.key[i], row, e.key[i].null); err != nil {
			return dst, err
		}
	}
	return append(dst, '}'), nil
}

// appendRow appends a row image.
func (e *Encoder) appendRow(dst []byte, row []Value, old bool) ([]byte, error) {
	dst = append(dst, '{')
	for i := range e.fields {
		f := &e.fields[i]
		null := f.null
		if old {
			null = f.filler
		}
		var err error
		if dst, err = e.appendField(dst, f, row, null); err != nil {
			return dst, err
		}
	}
	return append(dst, '}'), nil
}

func (e *Encoder) appendField(dst []byte, f *field, row []Value, null string) ([]byte, error) {
	if f.index >= len(row) {
		return dst, fmt.Errorf("row of %s has %d values, want %d", e.Table, len(row), len(e.columns))
	}
	dst = append(dst, f.name...)
	c := &e.columns[f.index]
	switch v := &row[f.index]; v.Kind {
	case ValueText:
		out, err := c.Type.appendValue(dst, v.Text)
		if err != nil {
			return dst, fmt.Errorf("column %s of %s: %w", c.Name, e.Table, err)
		}
		return out, nil
	case ValueJSON:
		return append(dst, v.Text...), nil
	case ValueUnchanged:
		return append(dst, c.Type.placeholder...), nil
	case ValueNull:
		return append(dst, null...), nil
	default:
		return dst, fmt.Errorf("column %s of %s: value of kind %q", c.Name, e.Table, v.Kind)
	}
}

// AppendUnchanged appends the names of the row's unchanged columns as the unchanged header lists them; nothing when there
// are none. A comma in a column's name would split it: such names are left to the placeholder.
func (e *Encoder) AppendUnchanged(dst []byte, row []Value) []byte {
	start := len(dst)
	for i := range e.fields {
		index := e.fields[i].index
		if index >= len(row) || row[index].Kind != ValueUnchanged {
			continue
		}
		if len(dst) > start {
			dst = append(dst, ',')
		}
		dst = append(dst, e.columns[index].Name...)
	}
	return dst
}

// AppendEventID appends the event id header of a position.
func (e *Encoder) AppendEventID(dst []byte, p Position) []byte {
	dst = AppendLSN(append(dst, e.eventID...), p.Commit)
	return strconv.AppendUint(append(dst, '/'), p.Index, 10)
}

// Meta is what an envelope says of a change beside its row.
type Meta struct {
	Op         Op
	LSN        LSN // of the change's own log record
	LastCommit LSN // end of the last transaction before it, 0 when none was seen
	XID        uint32
	CommitTime int64  // microseconds since the Unix epoch
	Snapshot   string // "" while streaming, else the snapshot's marker
	Now        time.Time

	Origin      string       // where the transaction was replicated from, "" for the server's own
	OriginLSN   LSN          // its commit there, 0 when not known
	Transaction *Transaction // nil where transactions are not described
}

// AppendEnvelope appends the record value of a change; before and after may be nil.
func (e *Encoder) AppendEnvelope(dst []byte, m *Meta, before, after []Value) ([]byte, error) {
	var err error
	dst = append(dst, `{"before":`...)
	if dst, err = e.AppendImage(dst, before, true); err != nil {
		return dst, err
	}
	dst = append(dst, `,"after":`...)
	if dst, err = e.AppendImage(dst, after, false); err != nil {
		return dst, err
	}
	dst = e.appendSource(append(dst, ','), m)
	dst = m.Transaction.append(append(dst, `,"transaction":`...))
	dst = append(dst, `,"op":"`...)
	dst = append(dst, byte(m.Op))
	now := m.Now.UnixNano()
	dst = strconv.AppendInt(append(dst, `","ts_ms":`...), now/1e6, 10)
	dst = strconv.AppendInt(append(dst, `,"ts_us":`...), now/1e3, 10)
	dst = strconv.AppendInt(append(dst, `,"ts_ns":`...), now, 10)
	return append(dst, '}'), nil
}

// AppendImage appends a row as an envelope's before has it, or as its after; nil is null.
func (e *Encoder) AppendImage(dst []byte, row []Value, old bool) ([]byte, error) {
	if row == nil {
		return append(dst, "null"...), nil
	}
	return e.appendRow(dst, row, old)
}

func (e *Encoder) appendSource(dst []byte, m *Meta) []byte {
	dst = append(dst, e.head...)
	dst = strconv.AppendInt(dst, m.CommitTime/1e3, 10)
	dst = append(dst, `,"snapshot":"`...)
	if m.Snapshot == "" {
		dst = append(dst, "false"...)
	}
	dst = append(append(dst, m.Snapshot...), '"')
	dst = append(dst, e.middle...)
	if m.LastCommit == 0 {
		dst = append(dst, "null"...)
	} else {
		dst = append(strconv.AppendUint(append(dst, `\"`...), uint64(m.LastCommit), 10), `\"`...)
	}
	dst = strconv.AppendUint(append(dst, `,\"`...), uint64(m.LSN), 10)
	dst = strconv.AppendInt(append(dst, `\"]","ts_us":`...), m.CommitTime, 10)
	dst = strconv.AppendInt(append(dst, `,"ts_ns":`...), m.CommitTime, 10)
	dst = append(append(dst, "000"...), e.tail...)
	if m.XID == 0 {
		dst = append(dst, "null"...)
	} else {
		dst = strconv.AppendUint(dst, uint64(m.XID), 10)
	}
	dst = strconv.AppendUint(append(dst, `,"lsn":`...), uint64(m.LSN), 10)
	if m.Origin == "" {
		return append(dst, `,"xmin":null,"origin":null,"origin_lsn":null}`...)
	}
	dst = AppendString(append(dst, `,"xmin":null,"origin":`...), []byte(m.Origin))
	if m.OriginLSN == 0 {
		return append(dst, `,"origin_lsn":null}`...)
	}
	return append(strconv.AppendUint(append(dst, `,"origin_lsn":`...), uint64(m.OriginLSN), 10), '}')
}

// AppendLSN appends what String returns.
func AppendLSN(dst []byte, l LSN) []byte {
	dst = appendUpperHex(dst, uint32(l>>32))
	return appendUpperHex(append(dst, '/'), uint32(l))
}

const upperHex = "0123456789ABCDEF"

func appendUpperHex(dst []byte, v uint32) []byte {
	shift := 28
	for shift > 0 && v>>shift == 0 {
		shift -= 4
	}
	for ; shift >= 0; shift -= 4 {
		dst = append(dst, upperHex[v>>shift&0xf])
	}
	return dst
}

// AppendString appends s as a JSON string. Only what JSON demands is escaped; bytes that are not UTF-8, which Postgres
// never sends in a UTF-8 session, become the replacement character.
func AppendString(dst, s []byte) []byte {
	dst = append(dst, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= 0x20 && c != '"' && c != '\\' && c < utf8.RuneSelf {
			i++
			continue
		}
		if c >= utf8.RuneSelf {
			r, n := utf8.DecodeRune(s[i:])
			if r == utf8.RuneError && n == 1 {
				dst = append(append(dst, s[start:i]...), `\ufffd`...)
				start = i + 1
			}
			i += n
			continue
		}
		dst = appendEscape(append(dst, s[start:i]...), c)
		i++
		start = i
	}
	return append(append(dst, s[start:]...), '"')
}

func appendEscape(dst []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(dst, '\\', c)
	case '\n':
		return append(dst, `\n`...)
	case '\t':
		return append(dst, `\t`...)
	case '\r':
		return append(dst, `\r`...)
	case '\b':
		return append(dst, `\b`...)
	case '\f':
		return append(dst, `\f`...)
	}
	return append(dst, '\\', 'u', '0', '0', upperHex[c>>4], upperHex[c&0xf])
}
