package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/segmentio/kafka-go"
	"golang.org/x/sync/errgroup"

	"freshet/ingest/broker"
	"freshet/ingest/change"
	"freshet/ingest/pgoutput"
	"freshet/projectors/progress"
)

// LatencyConfig says how a row's way to a consumer is measured.
type LatencyConfig struct {
	Rates       []float64     // transactions of one row a second; default 1000 and 3000
	Duration    time.Duration // of each rate; default 30 s
	WarmUp      time.Duration // before it, not counted; default 5 s
	Connections int           // of the writers; default 8
}

func (c *LatencyConfig) defaults() {
	if len(c.Rates) == 0 {
		c.Rates = []float64{1000, 3000}
	}
	if c.Duration <= 0 {
		c.Duration = 30 * time.Second
	}
	if c.WarmUp <= 0 {
		c.WarmUp = 5 * time.Second
	}
	if c.Connections <= 0 {
		c.Connections = 8
	}
}

// Latency measures how long after a row's clock_timestamp(), so its commit included, the row is in the hands of a consumer
// of its topic, under a steady load of single-row transactions; and beside it, in the same run, when a reader of another
// slot has it off the wire, which no way through Kafka can be quicker than.
func Latency(ctx context.Context, t Target, cfg LatencyConfig) (report *Report, err error) {
	cfg.defaults()
	report = t.report(ctx, "latency", map[string]string{
		"duration": cfg.Duration.String(), "warm-up": cfg.WarmUp.String(), "connections": strconv.Itoa(cfg.Connections), "partitions": "1",
	})
	b := newIngestBench(t, IngestConfig{})
	defer func() { err = errors.Join(err, b.close(context.WithoutCancel(ctx))) }()
	if err := b.open(ctx); err != nil {
		return nil, err
	}
	for _, rate := range cfg.Rates {
		t.Note("%g transactions per second for %s", rate, cfg.WarmUp+cfg.Duration)
		if err := b.latency(ctx, report, rate, cfg); err != nil {
			return nil, fmt.Errorf("at %g transactions per second: %w", rate, err)
		}
	}
	return report, nil
}

func (b *ingestBench) latency(ctx context.Context, report *Report, rate float64, cfg LatencyConfig) error {
	slot := fmt.Sprintf("%s_%g", b.name, rate)
	if err := b.exec(ctx, "truncate bench_event", "checkpoint", fmt.Sprintf("select pg_create_logical_replication_slot('%s_wire', 'pgoutput')", slot)); err != nil {
		return err
	}
	start, err := b.position(ctx)
	if err != nil {
		return err
	}
	l := &latencies{from: make(chan struct{}), taken: newSamples()}
	return b.ingesting(ctx, slot, 1, func(ctx context.Context, tracker *progress.Tracker) error {
		if err := tracker.Wait(ctx, start, "ingest"); err != nil {
			return err
		}
		var readers errgroup.Group
		reading, stop := context.WithCancel(ctx)
		defer stop()
		readers.Go(func() error { return l.consume(reading, b.t.cluster(), change.Topic(slot, "public", "bench_event")) })
		readers.Go(func() error { return l.wire(reading, b.url, slot+"_wire") })
		achieved, err := b.insert(ctx, rate, cfg, l)
		if err != nil {
			stop()
			return errors.Join(err, readers.Wait())
		}
		if err := b.catchUp(ctx, tracker); err != nil {
			return err
		}
		stop()
		if err := readers.Wait(); err != nil {
			return err
		}
		for _, kind := range []string{"off the wire", "in a consumer's hands"} {
			l.taken.row(report, fmt.Sprintf("%g tx/s: %s", rate, kind), kind).Set("tx/s", achieved)
		}
		l.taken.complain(report)
		return nil
	})
}

// catchUp waits until all that was written is on the topic.
func (b *ingestBench) catchUp(ctx context.Context, tracker *progress.Tracker) error {
	end, err := b.position(ctx)
	if err != nil {
		return err
	}
	return tracker.Wait(ctx, end, "ingest")
}

// insert writes at the rate, first to warm up, and returns the rate achieved after that.
func (b *ingestBench) insert(ctx context.Context, rate float64, cfg LatencyConfig, l *latencies) (float64, error) {
	config, err := pgxpool.ParseConfig(b.url)
	if err != nil {
		return 0, fmt.Errorf("parse the Postgres URL: %w", err)
	}
	config.MaxConns = int32(cfg.Connections)
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return 0, fmt.Errorf("connect the writers: %w", err)
	}
	defer pool.Close()
	base := 0
	write := func(duration time.Duration) (float64, error) {
		plan := schedule{rate: rate, duration: duration, workers: cfg.Connections}
		done, took, err := plan.run(ctx, func(ctx context.Context, n int, _ time.Time) error {
			_, err := pool.Exec(ctx, "insert into bench_event values ($1::bigint, $2, rpad(md5($1::bigint::text), 150, 'abcdefghij'), clock_timestamp())", base+n, 1+n%10000)
			return err
		})
		base += plan.total()
		return float64(done) / max(took, duration).Seconds(), err
	}
	if _, err := write(cfg.WarmUp); err != nil {
		return 0, fmt.Errorf("warm up: %w", err)
	}
	close(l.from)
	return write(cfg.Duration)
}

// latencies are when rows arrived, less when they were made.
type latencies struct {
	from  chan struct{} // closed when the warm-up is over
	taken *samples
}

// note counts a row that has just arrived. Its time is read in Postgres' text form or in that of an envelope.
func (l *latencies) note(kind string, created []byte) error {
	now := time.Now()
	select {
	case <-l.from:
	default:
		return nil
	}
	layout := "2006-01-02 15:04:05.999999-07"
	if bytes.IndexByte(created, 'T') >= 0 {
		layout = time.RFC3339Nano
	}
	at, err := time.Parse(layout, string(created))
	if err != nil {
		return fmt.Errorf("the time of a row: %w", err)
	}
	l.taken.add(kind, now.Sub(at), nil)
	return nil
}

// consume reads the topic as a consumer does that takes each record as it comes.
func (l *latencies) consume(ctx context.Context, cluster broker.Cluster, topic string) error {
	transport := cluster.Transport("freshet-bench", 0)
	defer transport.CloseIdleConnections()
	client := cluster.Client(transport, 0)
	for offset := int64(0); ctx.Err() == nil; {
		answer, err := client.Fetch(ctx, &kafka.FetchRequest{Topic: topic, Offset: offset, MinBytes: 1, MaxBytes: 8 << 20, MaxWait: 250 * time.Millisecond})
		if err == nil {
			err = answer.Error
		}
		if err != nil {
			return unlessEnded(ctx, fmt.Errorf("read %s: %w", topic, err))
		}
		for {
			record, err := answer.Records.ReadRecord()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return fmt.Errorf("read %s: %w", topic, err)
			}
			value, err := kafka.ReadAll(record.Value)
			if err != nil {
				return fmt.Errorf("read %s: %w", topic, err)
			}
			offset = record.Offset + 1
			if err := l.note("in a consumer's hands", createdAt(value)); err != nil {
				return err
			}
		}
	}
	return nil
}

// createdAt finds the row's time in an envelope.
func createdAt(envelope []byte) []byte {
	_, rest, _ := bytes.Cut(envelope, []byte(`"created_at":"`))
	created, _, _ := bytes.Cut(rest, []byte(`"`))
	return created
}

// wire reads the same rows from a slot of its own.
func (l *latencies) wire(ctx context.Context, dsn, slot string) error {
	conn, err := connectReplication(ctx, dsn)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }() // a walsender in the middle of its stream has no orderly end
	var decoder pgoutput.Decoder
	var failed error
	err = stream(ctx, conn, slot, 1<<63, func(data []byte) {
		err := decoder.Decode(data)
		if err == nil && decoder.Kind == pgoutput.KindInsert && len(decoder.Change.New) == 4 {
			err = l.note("off the wire", decoder.Change.New[3].Data)
		}
		failed = errors.Join(failed, err)
	})
	return errors.Join(unlessEnded(ctx, err), failed)
}

// unlessEnded is the error, or none when it came of the end that was asked for.
func unlessEnded(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}
