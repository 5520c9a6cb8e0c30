package ingest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"freshet/ingest/change"
	"freshet/ingest/failpoint"
	"freshet/ingest/pgoutput"
)

// stream reads the slot and hands its changes to the emitter: receive, decode, dispatch. It runs on one goroutine.
type stream struct {
	config  *Config
	reader  *reader
	emitter *emitter
	catalog *catalog
	source  change.Source
	start   change.LSN // transactions that end here or before are on Kafka
	// ensure makes the topic of a table that joined the publication while streaming.
	ensure func(ctx context.Context, schema, table string) error
	// first is what is left of the first snapshot; the stream stops at its place until copy has published it.
	first  *firstCopy
	copy   func(ctx context.Context, last change.LSN) error
	copied chan struct{} // closed when nothing is left of it

	decoder  *pgoutput.Decoder
	tables   map[uint32]*table
	arrivals uint64                        // of table descriptions
	shapes   map[uint32]*pgoutput.Relation // as last put on the schema topic
	inTx     bool
	skipping bool // the transaction at hand is on Kafka already
	old, new []change.Value

	spool *spool
	block *spooled // the streamed transaction whose block is being received, else nil
	live  *pgoutput.Decoder
	kept  pgoutput.Decoder // of messages that come back from the spool
}

// finishWithin is how long an orderly stop goes on reading, so that it ends between two transactions; one that is longer is
// cut off and comes again.
const finishWithin = 2 * time.Second

// run streams until the context ends (nil) or the stream breaks.
func (s *stream) run(outer context.Context) (err error) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(outer))
	defer cancel()
	defer context.AfterFunc(outer, func() { time.AfterFunc(finishWithin, cancel) })()
	defer func() {
		if s.inTx && !s.skipping {
			s.emitter.abandon()
		}
		err = errors.Join(err, s.spool.close())
	}()
	if err := s.spool.clean(); err != nil {
		return err
	}
	s.emitter.wait, s.decoder = s.waitForSpace, s.live
	for outer.Err() == nil || (s.inTx && ctx.Err() == nil) {
		if err := s.reach(ctx, s.start); err != nil {
			return err
		}
		walStart, data, err := s.reader.receive(s.emitter.publisher.flush)
		if err != nil {
			return err
		}
		if data != nil {
			if err := s.dispatch(ctx, walStart, data); err != nil {
				return err
			}
		}
		if state := s.emitter.publisher.state(); state.err != nil {
			return state.err
		}
		idle := data == nil && !s.inTx && s.block == nil
		if idle {
			if err := s.reach(ctx, s.reader.walEnd); err != nil {
				return err
			}
			// Everything before the server's position was received, so it is as durable as the last transaction. Streamed
			// transactions in the spool do not stand in the way: their commits lie at or behind that position, and Postgres
			// sends every transaction again, whole, whose commit does.
			s.emitter.publisher.reached(s.reader.walEnd, s.reader.walTime)
		}
		if err := s.reader.tick(idle); err != nil {
			return err
		}
	}
	return nil
}

// waitForSpace waits until Kafka has taken enough of the buffer, while the status timer runs on.
func (s *stream) waitForSpace(ctx context.Context) error {
	p := s.emitter.publisher
	timer := time.NewTimer(statusEvery)
	defer timer.Stop()
	for p.isFull() {
		p.flush()
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-p.space:
		case <-timer.C:
			timer.Reset(statusEvery)
			// Silence is ours, not the server's, while we don't read.
			s.reader.lastMessage = time.Now()
			if err := s.reader.tick(false); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *stream) dispatch(ctx context.Context, walStart change.LSN, data []byte) error {
	if s.block != nil && len(data) > 0 && pgoutput.Kind(data[0]).CarriesXID() {
		return s.keep(walStart, data)
	}
	if err := s.decoder.Decode(data); err != nil {
		return fmt.Errorf("message at %s: %w", walStart, err)
	}
	s.emitter.now = s.reader.lastMessage
	return s.handle(ctx, walStart)
}

// handle acts on the message that was decoded, live or out of the spool.
func (s *stream) handle(ctx context.Context, walStart change.LSN) error {
	d := s.decoder
	switch d.Kind {
	case pgoutput.KindInsert, pgoutput.KindUpdate, pgoutput.KindDelete:
		if s.skipping {
			return nil
		}
		s.emitter.meta.LSN = walStart
		return s.change(ctx)
	case pgoutput.KindBegin:
		return s.begin(ctx, d.Begin.CommitLSN, d.Begin.CommitTime, d.Begin.XID)
	case pgoutput.KindCommit:
		return s.commit(ctx, d.Commit)
	case pgoutput.KindRelation:
		s.arrivals++
		return s.relation(ctx, s.arrivals)
	case pgoutput.KindTruncate:
		if s.skipping || s.config.SkipTruncates {
			return nil
		}
		s.emitter.meta.LSN = walStart
		return s.truncate(ctx)
	case pgoutput.KindMessage:
		return s.message(ctx, walStart)
	case pgoutput.KindOrigin:
		return s.origin()
	case pgoutput.KindType:
		// A type's name is the catalog's to say, by the id in the relation: a base type behind a domain is not in the message.
		return nil
	default:
		return s.streamed(ctx, walStart)
	}
}

// begin opens a transaction. One whose commit record lies before the stored position, which is where a commit record ended,
// was published before: Postgres repeats it because it learnt of our position too late.
func (s *stream) begin(ctx context.Context, commit uint64, commitTime int64, xid uint32) error {
	if s.inTx || s.block != nil {
		return errors.New("a transaction begins inside another")
	}
	s.inTx = true
	if s.skipping = change.LSN(commit) < s.start; s.skipping {
		return nil
	}
	if err := s.reach(ctx, change.LSN(commit)); err != nil {
		return err
	}
	s.emitter.begin(change.LSN(commit), commitTime, xid)
	s.emitter.boundary.begin(change.LSN(commit), xid)
	return nil
}

func (s *stream) commit(ctx context.Context, c pgoutput.Commit) error {
	if !s.skipping {
		if err := s.emitter.boundary.end(ctx, s.emitter); err != nil {
			return err
		}
		s.emitter.commit(change.LSN(c.EndLSN), c.CommitTime)
	}
	s.inTx, s.skipping = false, false
	return nil
}

// origin names where the transaction at hand was replicated from.
func (s *stream) origin() error {
	o := &s.decoder.Origin
	if s.block != nil {
		s.block.origin = o.Name
		return nil
	}
	if !s.inTx {
		return fmt.Errorf("origin %q outside a transaction", o.Name)
	}
	s.emitter.meta.Origin, s.emitter.meta.OriginLSN = o.Name, change.LSN(o.CommitLSN)
	return nil
}

func (s *stream) change(ctx context.Context) error {
	c := &s.decoder.Change
	t := s.tables[c.Relation]
	if t == nil || !s.inTx {
		return fmt.Errorf("change of relation %d without its description or outside a transaction", c.Relation)
	}
	if !t.described {
		if err := s.describe(ctx, t); err != nil {
			return err
		}
	}
	failpoint.Hit("ingest-mid-tx")
	s.old, s.new = values(s.old, c.Old), values(s.new, c.New)
	switch s.decoder.Kind {
	case pgoutput.KindInsert:
		if err := s.emitter.row(ctx, t, change.Create, nil, s.new); err != nil || t.name != signalTable {
			return err
		}
		sig, err := parseSignalRow(s.emitter.value)
		s.emitter.board.signal(sig, err, s.emitter.position.Commit)
		return nil
	case pgoutput.KindDelete:
		return s.emitter.remove(ctx, t, s.old)
	default:
		return s.update(ctx, t, c.OldKind)
	}
}

func (s *stream) update(ctx context.Context, t *table, oldKind byte) error {
	if oldKind == pgoutput.OldNone {
		return s.emitter.row(ctx, t, change.Update, nil, s.new)
	}
	// What the old tuple holds needs no placeholder.
	for i := range s.new {
		if s.new[i].Kind == change.ValueUnchanged && i < len(s.old) && s.old[i].Kind == change.ValueText {
			s.new[i] = s.old[i]
		}
	}
	if !t.sameKey(s.old, s.new) || !t.sameRoute(s.old, s.new) {
		return s.emitter.move(ctx, t, s.old, s.new)
	}
	if oldKind == pgoutput.OldKey {
		return s.emitter.row(ctx, t, change.Update, nil, s.new)
	}
	return s.emitter.row(ctx, t, change.Update, s.old, s.new)
}

func (s *stream) truncate(ctx context.Context) error {
	for _, id := range s.decoder.Truncate.Relations {
		t := s.tables[id]
		if t == nil || !s.inTx {
			return fmt.Errorf("truncate of relation %d without its description or outside a transaction", id)
		}
		if err := s.emitter.truncate(ctx, t); err != nil {
			return err
		}
	}
	return nil
}
