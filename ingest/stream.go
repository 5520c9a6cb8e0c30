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

	decoder  pgoutput.Decoder
	tables   map[uint32]*table
	inTx     bool
	skipping bool // the transaction at hand is on Kafka already
	old, new []change.Value
}

// finishWithin is how long an orderly stop goes on reading, so that it ends between two transactions; one that is longer is
// cut off and comes again.
const finishWithin = 2 * time.Second

// run streams until the context ends (nil) or the stream breaks.
func (s *stream) run(outer context.Context) error {
	ctx, cancel := context.WithCancel(context.WithoutCancel(outer))
	defer cancel()
	defer context.AfterFunc(outer, func() { time.AfterFunc(finishWithin, cancel) })()
	defer func() {
		if s.inTx && !s.skipping {
			s.emitter.abandon()
		}
	}()
	s.emitter.wait = s.waitForSpace
	for outer.Err() == nil || (s.inTx && ctx.Err() == nil) {
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
		idle := data == nil && !s.inTx
		if idle {
			// Everything before the server's position was received, so it is as durable as the last transaction.
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
	d := &s.decoder
	if err := d.Decode(data); err != nil {
		return fmt.Errorf("message at %s: %w", walStart, err)
	}
	s.emitter.now = s.reader.lastMessage
	switch d.Kind {
	case pgoutput.KindInsert, pgoutput.KindUpdate, pgoutput.KindDelete:
		if s.skipping {
			return nil
		}
		s.emitter.meta.LSN = walStart
		return s.change(ctx)
	case pgoutput.KindBegin:
		return s.begin()
	case pgoutput.KindCommit:
		s.commit()
		return nil
	case pgoutput.KindRelation:
		return s.relation(ctx)
	case pgoutput.KindTruncate:
		if s.skipping {
			return nil
		}
		s.emitter.meta.LSN = walStart
		return s.truncate(ctx)
	case pgoutput.KindType, pgoutput.KindOrigin, pgoutput.KindMessage:
		return nil
	default:
		return fmt.Errorf("message at %s: kind %q does not belong to protocol version 1", walStart, byte(d.Kind))
	}
}

// begin opens a transaction. One whose commit record lies before the stored position, which is where a commit record ended,
// was published before: Postgres repeats it because it learnt of our position too late.
func (s *stream) begin() error {
	if s.inTx {
		return errors.New("a transaction begins inside another")
	}
	b := s.decoder.Begin
	s.inTx = true
	if s.skipping = change.LSN(b.CommitLSN) < s.start; s.skipping {
		return nil
	}
	s.emitter.begin(change.LSN(b.CommitLSN), b.CommitTime, b.XID)
	return nil
}

func (s *stream) commit() {
	c := s.decoder.Commit
	if !s.skipping {
		s.emitter.commit(change.LSN(c.EndLSN), c.CommitTime)
	}
	s.inTx, s.skipping = false, false
}

func (s *stream) relation(ctx context.Context) error {
	rel := s.decoder.Relation
	key, err := s.catalog.primaryKey(ctx, rel.ID)
	if err != nil {
		return err
	}
	t, err := newTable(ctx, s.config, s.source, s.catalog, &rel, key)
	if err != nil {
		return err
	}
	name := s.config.spec(rel.Schema, rel.Name).Name
	if s.emitter.publisher.partitions(name) == nil {
		s.config.Logger.Warn("table joined the publication: its changes are published from here on, its earlier rows only by a new snapshot", "table", t.name)
		if err := s.ensure(ctx, rel.Schema, rel.Name); err != nil {
			return err
		}
	}
	t.partitions = s.emitter.publisher.partitions(name)
	if !t.carried && len(t.partitions) > 1 && t.routing >= 0 {
		s.config.Logger.Warn("the replica identity lacks the routing column: deletes go to every partition", "table", t.name)
	}
	s.tables[rel.ID] = t
	return nil
}

func (s *stream) change(ctx context.Context) error {
	c := &s.decoder.Change
	t := s.tables[c.Relation]
	if t == nil || !s.inTx {
		return fmt.Errorf("change of relation %d without its description or outside a transaction", c.Relation)
	}
	failpoint.Hit("ingest-mid-tx")
	s.old, s.new = values(s.old, c.Old), values(s.new, c.New)
	switch s.decoder.Kind {
	case pgoutput.KindInsert:
		return s.emitter.row(ctx, t, change.Create, nil, s.new)
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
