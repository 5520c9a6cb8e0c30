// Package pgoutput decodes the messages of Postgres' logical replication plugin pgoutput, protocol versions 1 to 4.
//
// The ingest reader calls it once per message. It copies nothing: values point into the message and live as long as it
// does. It never panics and never reserves memory by a length it has not checked against the bytes at hand, so a broken or
// hostile stream ends in ErrMalformed. It imports nothing but the standard library.
package pgoutput

import (
	"errors"
	"fmt"
)

// ErrMalformed is wrapped by every error of Decode.
var ErrMalformed = errors.New("malformed replication message")

// postgresEpoch is 2000-01-01 in microseconds since the Unix epoch.
const postgresEpoch = 946684800000000

// Decoder decodes one message at a time into its fields; Kind says which of them holds it. The zero value is ready.
// Its slices are used again by the next call.
type Decoder struct {
	Kind     Kind
	XID      uint32 // of the (sub)transaction, inside a streamed block of protocol 2; else 0
	Begin    Begin
	Commit   Commit
	Relation Relation
	Change   Change
	Truncate Truncate
	Message  LogicalMessage
	Type     Type
	Origin   Origin
	Stream   Stream
	Prepared Prepared

	inStream bool
}

// Decode reads the next message of a stream: it knows from the messages before whether it stands in a streamed block.
func (d *Decoder) Decode(data []byte) error { return d.decode(data, d.inStream) }

// DecodeStreamed reads a message that was received in a streamed block and kept until its transaction committed.
func (d *Decoder) DecodeStreamed(data []byte) error { return d.decode(data, true) }

func (d *Decoder) decode(data []byte, streamed bool) error {
	if len(data) == 0 {
		return fmt.Errorf("%w: empty", ErrMalformed)
	}
	d.Kind, d.XID = Kind(data[0]), 0
	r := reader{rest: data[1:]}
	if streamed && d.Kind.CarriesXID() {
		d.XID = r.uint32()
	}
	if !d.decodeBody(&r) {
		return fmt.Errorf("%w: unknown kind %q", ErrMalformed, data[0])
	}
	if r.failed {
		return fmt.Errorf("%w: kind %q cut short or with an impossible length (%d bytes)", ErrMalformed, data[0], len(data))
	}
	if len(r.rest) > 0 { // we read the message wrongly, or it is of a protocol to come
		return fmt.Errorf("%w: kind %q has %d bytes too many", ErrMalformed, data[0], len(r.rest))
	}
	return nil
}

// CarriesXID says whether a message of this kind begins with the id of its (sub)transaction when it stands in a streamed
// block: the kinds that are part of a transaction's content.
func (k Kind) CarriesXID() bool {
	switch k {
	case KindRelation, KindType, KindInsert, KindUpdate, KindDelete, KindTruncate, KindMessage:
		return true
	}
	return false
}

func (d *Decoder) decodeBody(r *reader) bool {
	switch d.Kind {
	case KindInsert:
		d.Change.insert(r)
	case KindUpdate:
		d.Change.update(r)
	case KindDelete:
		d.Change.delete(r)
	case KindBegin:
		d.Begin = Begin{CommitLSN: r.uint64(), CommitTime: r.time(), XID: r.uint32()}
	case KindCommit:
		d.Commit.decode(r)
	case KindRelation:
		d.Relation.decode(r)
	case KindType:
		d.Type = Type{ID: r.uint32(), Schema: r.string(), Name: r.string()}
	case KindOrigin:
		d.Origin = Origin{CommitLSN: r.uint64(), Name: r.string()}
	case KindTruncate:
		d.Truncate.decode(r)
	case KindMessage:
		d.Message = LogicalMessage{Transactional: r.byte()&1 != 0, LSN: r.uint64(), Prefix: r.cstring(), Content: r.bytes(int64(r.uint32()))}
	default:
		return d.decodeStream(r)
	}
	return true
}

func (d *Decoder) decodeStream(r *reader) bool {
	switch d.Kind {
	case KindStreamStart:
		d.Stream = Stream{XID: r.uint32(), First: r.byte() == 1}
		d.inStream = !r.failed
	case KindStreamStop:
		d.inStream = false
	case KindStreamCommit:
		d.Stream = Stream{XID: r.uint32()}
		d.Stream.Commit.decode(r)
	case KindStreamAbort:
		d.Stream = Stream{XID: r.uint32(), SubXID: r.uint32()}
		if len(r.rest) > 0 { // protocol 4
			d.Stream.AbortLSN, d.Stream.AbortTime = r.uint64(), r.time()
		}
	default:
		return d.decodePrepared(r)
	}
	return true
}

func (d *Decoder) decodePrepared(r *reader) bool {
	switch d.Kind {
	case KindBeginPrepare:
	case KindPrepare, KindStreamPrepare, KindCommitPrepared, KindRollbackPrepared:
		r.byte() // flags, unused by the protocol
	default:
		return false
	}
	d.Prepared = Prepared{LSN: r.uint64(), EndLSN: r.uint64(), Time: r.time()}
	if d.Kind == KindRollbackPrepared { // the time before was PREPARE's
		d.Prepared.Time = r.time()
	}
	d.Prepared.XID, d.Prepared.GID = r.uint32(), r.string()
	return true
}

func (c *Commit) decode(r *reader) {
	r.byte() // flags, unused by the protocol
	*c = Commit{CommitLSN: r.uint64(), EndLSN: r.uint64(), CommitTime: r.time()}
}

func (rel *Relation) decode(r *reader) {
	rel.ID, rel.Schema, rel.Name, rel.Identity = r.uint32(), r.string(), r.string(), r.byte()
	if rel.Schema == "" {
		rel.Schema = "pg_catalog"
	}
	// A new slice, since whoever keeps the relation keeps its columns.
	rel.Columns = nil
	for n := r.uint16(); n > 0 && !r.failed; n-- {
		rel.Columns = append(rel.Columns, Column{Identity: r.byte()&1 != 0, Name: r.string(), Type: r.uint32(), Modifier: int32(r.uint32())})
	}
}

func (c *Change) insert(r *reader) {
	c.Relation, c.OldKind, c.Old = r.uint32(), OldNone, c.Old[:0]
	r.expect('N')
	c.New = r.tuple(c.New[:0])
}

func (c *Change) update(r *reader) {
	c.Relation, c.OldKind, c.Old = r.uint32(), OldNone, c.Old[:0]
	kind := r.byte()
	if kind == OldKey || kind == OldFull {
		c.OldKind, c.Old = kind, r.tuple(c.Old)
		kind = r.byte()
	}
	r.failed = r.failed || kind != 'N'
	c.New = r.tuple(c.New[:0])
}

func (c *Change) delete(r *reader) {
	c.Relation, c.OldKind, c.New = r.uint32(), r.byte(), c.New[:0]
	r.failed = r.failed || (c.OldKind != OldKey && c.OldKind != OldFull)
	c.Old = r.tuple(c.Old[:0])
}

func (t *Truncate) decode(r *reader) {
	n, flags := r.uint32(), r.byte()
	t.Cascade, t.RestartIdentity, t.Relations = flags&1 != 0, flags&2 != 0, t.Relations[:0]
	for ; n > 0 && !r.failed; n-- {
		t.Relations = append(t.Relations, r.uint32())
	}
}
