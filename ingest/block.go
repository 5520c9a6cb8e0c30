package ingest

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"freshet/ingest/change"
	"freshet/ingest/pgoutput"
)

// keep puts a message of a streamed block aside until its transaction commits. It is not decoded before: what describes the
// tables in it stands in the same log, in its place, and goes with it when its subtransaction is rolled back.
func (s *stream) keep(walStart change.LSN, data []byte) error {
	if len(data) < 5 {
		return fmt.Errorf("message at %s: %w: kind %q cut short", walStart, pgoutput.ErrMalformed, data[0])
	}
	mark, start := uint64(walStart), s.block.size()
	kind := pgoutput.Kind(data[0])
	if kind == pgoutput.KindRelation { // has no place in the log; when it came matters instead
		s.arrivals++
		mark = s.arrivals
	}
	err := s.spool.append(s.block, binary.BigEndian.Uint32(data[1:]), mark, data)
	if kind == pgoutput.KindMessage {
		s.block.say(s.spool, start)
	}
	return err
}

// streamed acts on what frames streamed blocks, and refuses what this protocol does not have.
func (s *stream) streamed(ctx context.Context, walStart change.LSN) error {
	d := s.decoder
	switch d.Kind {
	case pgoutput.KindStreamStart:
		return s.startBlock(d.Stream)
	case pgoutput.KindStreamStop:
		if s.block == nil {
			return fmt.Errorf("message at %s: a streamed block ends that did not begin", walStart)
		}
		s.block = nil
		return nil
	case pgoutput.KindStreamAbort:
		return s.abortStreamed(d.Stream)
	case pgoutput.KindStreamCommit:
		return s.commitStreamed(ctx, d.Stream)
	case pgoutput.KindBeginPrepare, pgoutput.KindPrepare, pgoutput.KindStreamPrepare, pgoutput.KindCommitPrepared, pgoutput.KindRollbackPrepared:
		// Never asked for. Acknowledging past a PREPARE would make Postgres send no more than the COMMIT PREPARED after a
		// restart; without it the transaction comes whole when it commits.
		return &RefusedError{
			Reason: fmt.Sprintf("the server sends the prepared transaction %q before it commits", d.Prepared.GID),
			Repair: "use a slot without two_phase; transactions prepared and committed are published either way",
		}
	default:
		return fmt.Errorf("message at %s: kind %q does not belong here", walStart, byte(d.Kind))
	}
}

func (s *stream) startBlock(head pgoutput.Stream) error {
	t := s.spool.txs[head.XID]
	switch {
	case s.inTx || s.block != nil:
		return fmt.Errorf("a block of transaction %d begins inside another transaction", head.XID)
	case head.First && t != nil:
		return fmt.Errorf("streamed transaction %d begins a second time", head.XID)
	case head.First:
		t = s.spool.open(head.XID)
	case t == nil:
		return fmt.Errorf("streamed transaction %d goes on without having begun", head.XID)
	}
	s.block = t
	return nil
}

// abortStreamed drops a streamed transaction, or of it just what a rollback to a savepoint undid.
func (s *stream) abortStreamed(a pgoutput.Stream) error {
	t := s.spool.txs[a.XID]
	if t == nil {
		return fmt.Errorf("streamed transaction %d is aborted without having begun", a.XID)
	}
	if a.SubXID == a.XID {
		return s.spool.drop(t)
	}
	if err := s.spool.abort(t, a.SubXID); err != nil {
		return err
	}
	if t.endsInMessage(s.spool) {
		return errMessageAtSavepoint
	}
	return nil
}

// errMessageAtSavepoint ends a session whose successor reads without streaming. The server names the subtransaction of every
// change in a stream, but for a logical message it names the whole transaction. So of a message at whose end a rollback to a
// savepoint cuts the log, nobody can say whether it was undone; without streaming the server itself leaves such ones out.
var errMessageAtSavepoint = errors.New("a logical message and a rollback to a savepoint meet in a streamed transaction: reading it again without streaming")

// commitStreamed publishes a streamed transaction: now it has a position.
func (s *stream) commitStreamed(ctx context.Context, head pgoutput.Stream) error {
	t := s.spool.txs[head.XID]
	if t == nil {
		return fmt.Errorf("streamed transaction %d commits without having begun", head.XID)
	}
	if err := s.begin(ctx, head.Commit.CommitLSN, head.Commit.CommitTime, head.XID); err != nil {
		return err
	}
	s.emitter.meta.Origin = t.origin
	if err := s.replay(ctx, t); err != nil {
		return fmt.Errorf("streamed transaction %d: %w", t.xid, err)
	}
	if err := s.commit(ctx, head.Commit); err != nil {
		return err
	}
	return s.spool.drop(t)
}

// replay hands a transaction's messages to the handlers with a view of the tables of its own: the server describes every
// table anew to each streamed transaction, in the shape of that moment. Afterwards it takes those descriptions for known;
// but where it has sent a newer one to another transaction meanwhile, that one stays.
func (s *stream) replay(ctx context.Context, t *spooled) error {
	known := s.tables
	s.decoder, s.tables = &s.kept, map[uint32]*table{}
	defer func() { s.decoder, s.tables = s.live, known }()
	n := 0
	err := t.replay(s.spool, func(mark uint64, payload []byte) error {
		if n++; n%512 == 0 {
			if err := s.breathe(ctx); err != nil {
				return err
			}
		}
		if err := s.kept.DecodeStreamed(payload); err != nil {
			return fmt.Errorf("message at %s: %w", change.LSN(mark), err)
		}
		if s.kept.Kind == pgoutput.KindRelation {
			return s.relation(ctx, mark)
		}
		return s.handle(ctx, change.LSN(mark))
	})
	if err != nil {
		return err
	}
	for id, shape := range s.tables {
		if old := known[id]; old == nil || old.arrival < shape.arrival {
			known[id] = shape
		}
	}
	return nil
}

// breathe does in a long replay what the loop over the socket does between messages.
func (s *stream) breathe(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	now := time.Now()
	s.emitter.now = now
	s.reader.lastMessage = now // the silence is ours, not the server's
	if err := s.emitter.publisher.state().err; err != nil {
		return err
	}
	return s.reader.tick(false)
}
