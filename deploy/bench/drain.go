package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os/exec"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"freshet/ingest"
	"freshet/ingest/change"
	"freshet/projectors/progress"
)

// rawReader drains a slot to nowhere.
type rawReader struct {
	name string
	read func(ctx context.Context, dsn, slot string, end change.LSN) (time.Duration, error)
}

// rawReaders are our own and, where it is installed, the one that comes with Postgres.
func rawReaders() []rawReader {
	readers := []rawReader{{"raw_reader", readRaw}}
	if path, err := exec.LookPath("pg_recvlogical"); err == nil {
		readers = append(readers, rawReader{"pg_recvlogical", func(ctx context.Context, dsn, slot string, end change.LSN) (time.Duration, error) {
			return recvlogical(ctx, path, dsn, slot, end)
		}})
	}
	return readers
}

func recvlogical(ctx context.Context, path, dsn, slot string, end change.LSN) (time.Duration, error) {
	start := time.Now()
	out, err := exec.CommandContext(ctx, path, "-d", dsn, "-S", slot, "--start", "--no-loop", "--endpos="+end.String(),
		"-o", "proto_version=1", "-o", "publication_names=freshet", "-f", "/dev/null").CombinedOutput()
	if err != nil {
		return 0, fmt.Errorf("%w: %s", err, out)
	}
	return time.Since(start), nil
}

var errEnd = errors.New("end of the log")

// readRaw reads the slot's messages up to the position and throws them away.
func readRaw(ctx context.Context, dsn, slot string, end change.LSN) (time.Duration, error) {
	start := time.Now()
	conn, err := connectReplication(ctx, dsn)
	if err != nil {
		return 0, err
	}
	defer func() { _ = conn.Close(ctx) }() // a walsender in the middle of its stream has no orderly end
	err = stream(ctx, conn, slot, end, func([]byte) {})
	if !errors.Is(err, errEnd) {
		return 0, err
	}
	return time.Since(start), nil
}

func connectReplication(ctx context.Context, dsn string) (*pgconn.PgConn, error) {
	cfg, err := pgconn.ParseConfig(dsn)
	if err != nil {
		return nil, fmt.Errorf("parse the Postgres URL: %w", err)
	}
	cfg.RuntimeParams["replication"] = "database"
	conn, err := pgconn.ConnectConfig(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	return conn, nil
}

// copyOut reads the rows that the snapshot is of.
func (b *ingestBench) copyOut(ctx context.Context) (time.Duration, error) {
	start := time.Now()
	if _, err := b.conn.PgConn().CopyTo(ctx, io.Discard, "copy bench_event to stdout"); err != nil {
		return 0, fmt.Errorf("copy the table out: %w", err)
	}
	return time.Since(start), nil
}

// drained is what a drain by ingest took.
type drained struct {
	took, cpu time.Duration
	rss       int64
}

func (d drained) figures(row *Row, changes int) {
	row.Set("ingest/s", float64(changes)/d.took.Seconds())
	row.Set("CPU µs/change", float64(d.cpu.Microseconds())/float64(changes))
	row.Set("peak RSS MB", float64(d.rss)/(1<<20))
}

// drain runs ingest, in this process, until its progress has passed the position. All counts, from the first connection on;
// processor time and memory are the whole process's.
func (b *ingestBench) drain(ctx context.Context, slot string, partitions int, end change.LSN) (drained, error) {
	debug.FreeOSMemory() // what the cases before have left is not this one's
	resetPeak()
	var d drained
	cpu, start := processorTime(), time.Now()
	err := b.ingesting(ctx, slot, partitions, func(ctx context.Context, tracker *progress.Tracker) error {
		err := tracker.Wait(ctx, end, "ingest")
		d = drained{took: time.Since(start), cpu: processorTime() - cpu, rss: peakRSS()}
		return err
	})
	return d, err
}

// ingesting runs ingest and a reader of its progress while do runs.
func (b *ingestBench) ingesting(ctx context.Context, slot string, partitions int, do func(context.Context, *progress.Tracker) error) error {
	quiet := slog.New(slog.DiscardHandler)
	in, err := ingest.New(ingest.Config{
		PostgresURL: b.url, Brokers: b.t.Brokers, Security: b.t.Security, Prefix: slot, Slot: slot, Publication: "freshet",
		Partitions: partitions, Retention: time.Hour, Logger: quiet,
	})
	if err != nil {
		return err
	}
	tracker, err := progress.New(progress.Config{Brokers: b.t.Brokers, Security: b.t.Security, Prefix: slot}, quiet)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan error, 2)
	go func() { ended <- in.Run(ctx) }()
	go func() { ended <- tracker.Run(ctx) }()
	did := make(chan error, 1)
	go func() { did <- do(ctx, tracker) }()
	running := 2
	select {
	case err = <-did:
	case first := <-ended:
		running--
		cancel()
		err = errors.Join(errors.New("it ended too early"), first, <-did)
	}
	cancel()
	for range running {
		err = errors.Join(err, <-ended)
	}
	return err
}

// processorTime is what this process has used so far.
func processorTime() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
