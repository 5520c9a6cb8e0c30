package ingest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/segmentio/kafka-go"
	"golang.org/x/sync/errgroup"

	"freshet/ingest/change"
	"freshet/ingest/pgoutput"
	"freshet/ingest/topic"
)

// prepareTimeout bounds what a session asks and makes before it streams or reads a snapshot.
const prepareTimeout = 2 * time.Minute

// drainTimeout bounds how long an orderly stop waits for Kafka; what is not through by then is read again.
const drainTimeout = 10 * time.Second

// session is one attempt: from connecting to the first failure or the end.
type session struct {
	*Ingest
	client  *kafka.Client
	store   positionStore
	control *pgx.Conn
	repl    *pgconn.PgConn
	in      *bufio.Reader
	catalog *catalog
	server  server
	source  change.Source
	tables  []publishedTable
	context []recordHeader // of every record of this run
}

func (in *Ingest) session(ctx context.Context, client *kafka.Client) error {
	s := &session{Ingest: in, client: client, store: positionStore{client, change.PositionTopic(in.config.Prefix)}}
	defer func() {
		if s.control != nil {
			closeQuietly(s.control.Close)
		}
		if s.repl != nil && !s.repl.IsClosed() {
			closeQuietly(s.repl.Close)
		}
	}()
	if err := s.connect(ctx); err != nil {
		return err
	}
	preparing, cancel := context.WithTimeout(ctx, prepareTimeout)
	defer cancel()
	stored, err := s.prepare(preparing)
	if err != nil {
		return err
	}
	if err := checkFormat(stored, &in.config, in.resnapshot); err != nil {
		return err
	}
	slot, err := readSlot(preparing, s.control, in.config.Slot)
	if err != nil {
		return err
	}
	if s.server, err = identify(preparing, s.repl, stored); err != nil {
		return err
	}
	if err := s.completeServer(preparing, &s.server); err != nil {
		return err
	}
	s.source = change.Source{
		Version: in.config.Version, Name: in.config.Prefix, Database: s.server.Database, SystemID: s.server.SystemID, Slot: in.config.Slot,
		Format: in.config.Format,
	}
	choice, err := decide(&in.config, stored, s.server, slot, in.resnapshot)
	if err != nil {
		return err
	}
	if choice == adoptSlot {
		stored, choice = adopted(&in.config, s.server, slot), startStreaming
		if err := s.store.save(ctx, *stored); err != nil {
			return err
		}
		s.log.Info("slot adopted, without a snapshot", "slot", in.config.Slot, "lsn", stored.LSN.String())
	}
	if choice == startStreaming {
		if err := s.alterFailover(ctx, slot); err != nil {
			return err
		}
	}
	return explain(s.run(ctx, choice, stored), &in.config)
}

// closeQuietly closes a connection whose fate no longer matters: the session is over, its error is known.
func closeQuietly(closer func(context.Context) error) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	_ = closer(ctx)
}

// connect opens the control connection, takes the lock and opens the replication connection.
func (s *session) connect(ctx context.Context) error {
	config, err := pgx.ParseConfig(s.config.PostgresURL)
	if err != nil {
		return fmt.Errorf("parse the Postgres URL: %w", err)
	}
	for name, value := range sessionSettings {
		config.RuntimeParams[name] = value
	}
	connecting, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	if s.control, err = pgx.ConnectConfig(connecting, config); err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	if err := s.takeLock(ctx); err != nil {
		return err
	}
	connecting, cancel = context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	s.repl, s.in, err = connectReplication(connecting, s.config.PostgresURL)
	return err
}

// prepare makes the topics and reads the stored position.
func (s *session) prepare(ctx context.Context) (*position, error) {
	s.catalog = newCatalog(s.control)
	var err error
	if s.tables, err = s.catalog.published(ctx, s.config.Publication); err != nil {
		return nil, err
	}
	if err := s.checkServer(ctx); err != nil {
		return nil, err
	}
	specs := s.config.topics(s.tables)
	if err := topic.Ensure(ctx, s.config.cluster(), specs); err != nil {
		return nil, err
	}
	if err := s.checkTopics(ctx, specs); err != nil {
		return nil, err
	}
	return s.store.load(ctx)
}

// run carries the decision out. Whatever it starts it waits for.
func (s *session) run(ctx context.Context, choice decision, stored *position) error {
	sending, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	known := stored
	if choice != startStreaming {
		known = nil // every row is published again
	}
	ends, ids, err := s.verifyTopics(ctx, known)
	if err != nil {
		return err
	}
	p := newPublisher(sending, &s.config, s.client, s.metrics, ends, ids)
	defer p.sends.Wait()
	defer stop() // before the wait: sends that still retry must end
	e := s.newEmitter(p)
	start := stored
	var first *firstCopy
	switch {
	case choice != startStreaming:
		start, first, err = s.beginSnapshot(ctx, choice, stored)
	case stored.State == snapshotting:
		first, err = s.resumeSnapshot(ctx, stored)
	}
	if err != nil {
		return err
	}
	if first != nil {
		defer first.close()
	}
	return s.stream(ctx, sending, p, e, *start, first)
}

// stream runs reader, position and progress side by side until the context ends or one of them fails.
func (s *session) stream(ctx, sending context.Context, p *publisher, e *emitter, start position, first *firstCopy) error {
	start.Timeline, start.DatabaseOID, start.PublicationOID = s.server.Timeline, s.server.DatabaseOID, s.server.PublicationOID
	p.durable, p.time = start.LSN, start.Time.UnixMicro()
	k := newKeeper(s.store, p, start)
	starting, cancel := context.WithTimeout(ctx, silence)
	defer cancel()
	options, err := s.options()
	if err != nil {
		return err
	}
	r, err := startReplication(starting, s.repl, s.in, s.config.Slot, options, start.LSN, func() change.LSN { return change.LSN(k.acked.Load()) })
	if err != nil {
		return err
	}
	s.standby = false
	if first == nil {
		s.setTrouble(nil)
	}
	s.log.Info("streaming", "slot", s.config.Slot, "lsn", start.LSN.String(), "tables", len(s.tables))
	st := &stream{
		config: &s.config, reader: r, emitter: e, catalog: s.catalog, source: s.source, start: start.LSN,
		ensure: func(ctx context.Context, schema, name string) error { return s.ensureTable(ctx, p, schema, name) },
		tables: map[uint32]*table{}, shapes: map[uint32]*pgoutput.Relation{}, live: &pgoutput.Decoder{}, spool: newSpool(&s.config, s.metrics),
		first: first, copied: make(chan struct{}),
		copy: func(ctx context.Context, last change.LSN) error { return s.copyTables(ctx, first, p, e.board, last) },
	}
	if first == nil {
		close(st.copied)
	}
	e.board = newBoard(s.log, start.Snapshots, fmt.Sprintf("%s-%d", s.config.Slot, time.Now().UnixNano()))
	sc := &scanner{session: s, board: e.board, publisher: p, patience: requestTimeout}
	g := &progress{client: s.client, topic: change.ProgressTopic(s.config.Prefix), publisher: p, metrics: s.metrics, written: s.server.WAL}
	keeping, stopKeeping := context.WithCancel(sending)
	defer stopKeeping()
	reading, stopReading := context.WithCancel(ctx)
	defer stopReading()
	var group errgroup.Group
	keep := func(f func(context.Context) error) {
		group.Go(func() error {
			err := f(keeping)
			stopReading()
			return err
		})
	}
	keep(k.run)
	keep(s.guard)
	keep(func(ctx context.Context) error { return s.watchTopics(ctx, p) })
	// Progress says that all before an LSN is there, which it is not while the first snapshot is under way.
	keep(st.onceCopied(g.run))
	keep(st.onceCopied(sc.run))
	err = ignoreCancel(st.run(reading))
	s.unstreamed = errors.Is(err, errMessageAtSavepoint)
	// Intake is over; what was read becomes durable, is stored and acknowledged, and only then the stream is left.
	draining, cancelDrain := context.WithTimeout(sending, drainTimeout)
	defer cancelDrain()
	p.drain(draining)
	p.land(draining) // also what belongs to no transaction any more, like the rows of a snapshot that was cut off
	stopKeeping()
	err = errors.Join(err, ignoreCancel(group.Wait()))
	s.published.generation = start.Generation
	s.published.ends, s.published.ids = p.held()
	// What is on Kafka is, however the stream ended: a session that follows on another server must know of it.
	if final := p.state(); final.err == nil && k.behind(final) {
		kept := k.keep(draining)
		if err == nil && st.first == nil {
			err = g.publish(draining)
		}
		err = errors.Join(err, kept)
	}
	return errors.Join(err, r.close())
}

func ignoreCancel(err error) error {
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// tableEnds reads where every partition of the tables' topics and of those beside them ends, and the topics' ids.
func (s *session) tableEnds(ctx context.Context, tables []publishedTable) (ends map[string][]int64, ids map[string]string, err error) {
	request := map[string][]kafka.OffsetRequest{change.DeadLetterTopic(s.config.Prefix): {kafka.LastOffsetOf(0)}}
	for _, side := range s.config.sideTopics() {
		request[side.Name] = []kafka.OffsetRequest{kafka.LastOffsetOf(0)}
	}
	for _, t := range tables {
		spec := s.config.spec(t.Schema, t.Name)
		for i := range spec.Partitions {
			request[spec.Name] = append(request[spec.Name], kafka.LastOffsetOf(i))
		}
		if spec.Partitions == 0 {
			return nil, nil, fmt.Errorf("topic %s has no partitions", spec.Name)
		}
	}
	ids, err = topic.During(ctx, s.client, slices.Collect(maps.Keys(request)), func() (err error) {
		ends, err = s.listEnds(ctx, request)
		return err
	})
	return ends, ids, err
}

// ensureTable makes the topic of a table that came while streaming.
func (s *session) ensureTable(ctx context.Context, p *publisher, schema, name string) error {
	if err := topic.Ensure(ctx, s.config.cluster(), []topic.Spec{s.config.spec(schema, name)}); err != nil {
		return err
	}
	ends, ids, err := s.tableEnds(ctx, []publishedTable{{Schema: schema, Name: name}})
	if err != nil {
		return err
	}
	p.addTopics(ends, ids)
	return nil
}

// prepareTable makes a published table ready for its snapshot.
func (s *session) prepareTable(ctx context.Context, c *catalog, p *publisher, pt publishedTable) (*table, []string, error) {
	key, err := c.primaryKey(ctx, pt.OID)
	if err != nil {
		return nil, nil, err
	}
	rel := pgoutput.Relation{ID: pt.OID, Schema: pt.Schema, Name: pt.Name, Identity: pt.Identity, Columns: pt.Columns}
	t, err := newTable(ctx, &s.config, s.source, c, &rel, key)
	if err != nil {
		return nil, nil, err
	}
	t.partitions = p.partitions(s.config.spec(pt.Schema, pt.Name).Name)
	return t, key, nil
}
