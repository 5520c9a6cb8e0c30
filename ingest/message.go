package ingest

import (
	"bytes"
	"context"
	"errors"

	"freshet/ingest/change"
	"freshet/ingest/pgoutput"
)

// ownPrefix begins the prefixes of messages from Freshet to itself. Of those only a table's change (ddlPrefix) is
// published; the others take no place in the order.
const ownPrefix = "freshet."

// message publishes what pg_logical_emit_message wrote: in its place in its transaction, or on its own.
func (s *stream) message(ctx context.Context, walStart change.LSN) error {
	m := &s.decoder.Message
	if isOurs(m.Prefix) {
		if s.skipping || !s.inTx {
			return nil // published before, or not as ingest writes them
		}
		s.emitter.meta.LSN = walStart
		return s.emitter.board.message(ctx, s.emitter, m.Prefix, m.Content)
	}
	if bytes.HasPrefix(m.Prefix, []byte(ownPrefix)) && string(m.Prefix) != ddlPrefix {
		return nil
	}
	if !m.Transactional {
		return s.looseMessage(ctx, m)
	}
	if s.skipping {
		return nil
	}
	if !s.inTx {
		return errors.New("a transactional message outside a transaction")
	}
	s.emitter.meta.LSN = walStart
	return s.emitter.message(ctx, m)
}

// looseMessage publishes a message that belongs to no transaction, as if it were one of its own. Its LSN is where its
// record ends, which may be where a commit record begins; one byte before is the message's alone.
func (s *stream) looseMessage(ctx context.Context, m *pgoutput.LogicalMessage) error {
	if s.inTx || s.block != nil {
		return errors.New("a message that is not transactional inside a transaction")
	}
	end := change.LSN(m.LSN)
	if end-1 < s.start {
		return nil
	}
	e := s.emitter
	now := e.now.UnixMicro() // the log does not say when it was written
	last := e.meta.LastCommit
	e.begin(end-1, now, 0)
	e.meta.LSN = end
	err := e.message(ctx, m)
	if err != nil {
		e.abandon()
		return err
	}
	e.commit(end, now)
	e.meta.LastCommit = last
	return nil
}

// message publishes a logical message; one that the event trigger of freshet ddl wrote goes to the schema topic.
func (e *emitter) message(ctx context.Context, m *pgoutput.LogicalMessage) error {
	e.position.Index++
	e.meta.Op, e.meta.Now = change.Message, e.now
	if string(m.Prefix) == ddlPrefix && m.Transactional && isObject(m.Content) {
		return e.ddl(ctx, m.Content)
	}
	t := e.messages
	if err := e.boundary.place(ctx, e, t.name); err != nil {
		return err
	}
	e.key = change.AppendMessageKey(e.key[:0], m.Prefix)
	e.value = t.encoder.AppendMessage(e.value[:0], &e.meta, m.Prefix, m.Content)
	published, err := e.side(ctx, t)
	if published {
		e.metrics.ops[change.Message].Inc()
		e.boundary.published(t.name)
	}
	return err
}
