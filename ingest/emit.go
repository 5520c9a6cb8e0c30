package ingest

import (
	"context"
	"errors"
	"strconv"
	"time"

	"freshet/ingest/change"
	"freshet/ingest/failpoint"
)

// Headers of the two halves of a key change, as Debezium names them.
const (
	headerNewKey = "__debezium.newkey"
	headerOldKey = "__debezium.oldkey"
)

// emitter turns the changes of one transaction after the other into records. It belongs to one goroutine; its buffers are
// used again for every record.
type emitter struct {
	publisher *publisher
	metrics   *metrics
	log       func(msg string, args ...any)
	// wait blocks while the publisher's buffer is full.
	wait func(ctx context.Context) error
	// board is told of every change; nil while a snapshot is copied.
	board  *board
	parked int64 // rows, by this emitter
	// context are headers that every record of the stream carries.
	context []recordHeader

	tx       *transaction
	position change.Position
	meta     change.Meta
	now      time.Time

	key, value          []byte
	coded               coded
	lsn, index, eventID []byte
	unchanged           []byte
	headers             []recordHeader
	suffix              string // of the event id, where a record shares its position with another

	messages, schemas *table // the topics beside the tables'
	boundary          boundary
}

// begin opens the transaction whose commit record stands at commit.
func (e *emitter) begin(commit change.LSN, commitTime int64, xid uint32) {
	e.tx = e.publisher.begin()
	e.position = change.Position{Commit: commit}
	e.meta.CommitTime, e.meta.XID = commitTime, xid
	e.meta.Origin, e.meta.OriginLSN = "", 0
}

// row publishes a change that is one record: c, u or r.
func (e *emitter) row(ctx context.Context, t *table, op change.Op, before, after []change.Value) error {
	return e.put(ctx, t, op, before, after, "", nil)
}

// remove publishes a delete and its tombstone, which share a position.
func (e *emitter) remove(ctx context.Context, t *table, before []change.Value) error {
	if failpoint.OneIn("drop-deletes-N") {
		return nil
	}
	return e.put(ctx, t, change.Delete, before, nil, "", nil)
}

// move publishes an update of the key, or of the routing column, as a delete with tombstone where the row was and a create
// where it is: order across partitions can't be kept, so each half says of itself what it is.
func (e *emitter) move(ctx context.Context, t *table, before, after []change.Value) error {
	var oldKey, newKey []byte
	var err error
	if t.encoder.HasKey() {
		if newKey, err = t.encoder.AppendKey(nil, after); err == nil {
			oldKey, err = t.encoder.AppendKey(nil, before)
		}
		if err != nil {
			e.position.Index++
			return e.park(ctx, t, err)
		}
	}
	if failpoint.Enabled("forget-old-key") {
		return e.put(ctx, t, change.Create, nil, after, headerOldKey, oldKey)
	}
	if err := e.put(ctx, t, change.Delete, before, nil, headerNewKey, newKey); err != nil {
		return err
	}
	return e.put(ctx, t, change.Create, nil, after, headerOldKey, oldKey)
}

// put encodes one change and appends it to its partition.
func (e *emitter) put(ctx context.Context, t *table, op change.Op, before, after []change.Value, extra string, extraValue []byte) error {
	e.position.Index++
	image := after
	if image == nil {
		image = before
	}
	if err := e.boundary.place(ctx, e, t.name); err != nil {
		return err
	}
	r, err := e.encode(t, op, before, after, image)
	if err != nil {
		return e.park(ctx, t, err)
	}
	e.setHeaders(t, image, extra, extraValue)
	r.headers = e.headers
	e.metrics.ops[op].Inc()
	e.boundary.published(t.name)
	if err := e.route(ctx, t, image, &r); err != nil || op != change.Delete {
		return err
	}
	if r.key == nil || e.publisher.config.NoTombstones || failpoint.Enabled("forget-tombstone") {
		return nil
	}
	r.value = nil
	return e.route(ctx, t, image, &r)
}

// encode writes key and value of one change into the emitter's buffers; an error is the reason to park it.
func (e *emitter) encode(t *table, op change.Op, before, after, image []change.Value) (r record, err error) {
	if t.encoder.HasKey() {
		if e.key, err = t.encoder.AppendKey(e.key[:0], image); err != nil {
			return r, err
		}
		r.key = e.key
		if e.board != nil && e.board.watching.Load() && e.meta.Snapshot == "" {
			e.board.note(t, op, e.meta.XID, r.key, image)
		}
	}
	e.meta.Op, e.meta.Now = op, e.now
	if e.value, err = t.encoder.AppendEnvelope(e.value[:0], &e.meta, before, after); err != nil {
		return r, err
	}
	r.value = e.value
	if t.codec != nil {
		if err = e.coded.apply(t.codec, &r); err != nil {
			return r, err
		}
	}
	if len(r.value)+len(r.key) > e.publisher.config.MaxRecordBytes {
		return r, &tooLargeError{len(r.value), e.publisher.config.MaxRecordBytes}
	}
	return r, nil
}

func (e *emitter) setHeaders(t *table, image []change.Value, extra string, extraValue []byte) {
	e.lsn = change.AppendLSN(e.lsn[:0], e.position.Commit)
	e.index = strconv.AppendUint(e.index[:0], e.position.Index, 10)
	e.headers = e.headers[:0]
	if extra != "" {
		e.headers = append(e.headers, recordHeader{extra, extraValue})
	}
	if !t.beside {
		e.headers = append(e.headers, e.context...)
	}
	e.headers = append(e.headers, recordHeader{change.HeaderCommitLSN, e.lsn}, recordHeader{change.HeaderTxIndex, e.index})
	e.eventID = append(t.encoder.AppendEventID(e.eventID[:0], e.position), e.suffix...)
	e.headers = append(e.headers, recordHeader{change.HeaderEventID, e.eventID})
	if e.unchanged = t.encoder.AppendUnchanged(e.unchanged[:0], image); len(e.unchanged) > 0 {
		e.headers = append(e.headers, recordHeader{change.HeaderUnchanged, e.unchanged})
	}
}

func (e *emitter) route(ctx context.Context, t *table, image []change.Value, r *record) error {
	part, broadcast := t.partition(image, r.key)
	if !broadcast {
		return e.append(ctx, part, r)
	}
	e.metrics.broadcasts.Inc()
	return e.broadcast(ctx, t, r)
}

// broadcast appends a record to every partition: one of them holds the row, and to the others it means nothing.
func (e *emitter) broadcast(ctx context.Context, t *table, r *record) error {
	for _, part := range t.partitions {
		if err := e.append(ctx, part, r); err != nil {
			return err
		}
	}
	return nil
}

// truncate publishes the emptying of a table to all its partitions, since every one of them holds rows that are gone.
func (e *emitter) truncate(ctx context.Context, t *table) error {
	e.position.Index++
	e.meta.Op, e.meta.Now = change.Truncate, e.now
	err := e.boundary.place(ctx, e, t.name)
	if err != nil {
		return err
	}
	if e.value, err = t.encoder.AppendEnvelope(e.value[:0], &e.meta, nil, nil); err != nil {
		return err
	}
	r := record{value: e.value}
	if t.codec != nil {
		if err := e.coded.apply(t.codec, &r); err != nil {
			return err
		}
	}
	e.setHeaders(t, nil, "", nil)
	if e.board != nil && e.board.watching.Load() {
		e.board.note(t, change.Truncate, e.meta.XID, nil, nil)
	}
	r.headers = e.headers
	e.metrics.ops[change.Truncate].Inc()
	e.boundary.published(t.name)
	e.log("table truncated: consumers get op t on every partition", "table", t.name, "lsn", e.position.Commit.String())
	return e.broadcast(ctx, t, &r)
}

// park writes a row that can't be published to the dead-letter topic, as part of its transaction, and goes on.
func (e *emitter) park(ctx context.Context, t *table, reason error) error {
	e.parked++
	e.metrics.deadLetters.Inc()
	e.log("row parked on the dead-letter topic", "table", t.name, "lsn", e.position.String(), "key", string(e.key), "reason", reason.Error())
	e.setHeaders(t, nil, "", nil)
	letter := deadLetter{topic: t.partitions[0].topic, partition: -1, position: e.headers, key: e.key, reason: reason.Error()}
	var large *tooLargeError
	if errors.As(reason, &large) {
		letter.size = large.size
	}
	parked := letter.record()
	return e.append(ctx, e.publisher.dead, &parked)
}

func (e *emitter) append(ctx context.Context, part *partition, r *record) error {
	if e.publisher.append(e.tx, part, r, e.now) {
		return e.wait(ctx)
	}
	return nil
}

// commit closes the transaction.
func (e *emitter) commit(end change.LSN, commitTime int64) {
	if e.board != nil {
		e.tx.mark = e.board.mark()
	}
	e.publisher.commit(e.tx, end, commitTime)
	e.tx = nil
	e.meta.LastCommit = end
	e.metrics.transactions.Inc()
}

// abandon gives up the transaction at hand: it will be read again, from its beginning.
func (e *emitter) abandon() {
	e.publisher.abandon(e.tx)
	e.tx = nil
}

// tooLargeError is the reason of a row that no topic takes.
type tooLargeError struct{ size, limit int }

func (e *tooLargeError) Error() string {
	return "record of " + strconv.Itoa(e.size) + " bytes, the limit is " + strconv.Itoa(e.limit)
}
