package ingest_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"

	"freshet/deploy/stack/stacktest"
	"freshet/ingest"
)

// gauge reads a metric of ingest without labels.
func gauge(t *testing.T, registry *prometheus.Registry, name string) float64 {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == "freshet_ingest_"+name {
			return f.GetMetric()[0].GetGauge().GetValue()
		}
	}
	t.Fatalf("no metric %s", name)
	return 0
}

// await polls until the condition holds.
func await(t testing.TB, what string, holds func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for !holds() {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %s", what, patience)
		}
		<-time.After(20 * time.Millisecond)
	}
}

// waits says whether somebody waits for the slot's lock.
func (r *rig) waits() bool {
	r.t.Helper()
	var n int
	if err := r.conn.QueryRow(r.t.Context(), `select count(*) from pg_stat_activity where query like 'select pg_advisory_lock%'
		and datname = current_database() and wait_event = 'advisory'`).Scan(&n); err != nil {
		r.t.Fatal(err)
	}
	return n > 0
}

// TestTakeover is pitfall 21: one slot, one reader. A second process stands by, and takes over when the first one is killed
// or stops; how fast is printed.
func TestTakeover(t *testing.T) {
	for name, signal := range map[string]os.Signal{"killed": os.Kill, "stopped": syscall.SIGTERM} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, counters)
			first := r.child()
			r.settle()
			r.start()
			await(t, "a process stands by", r.waits)
			r.exec(`insert into products values (1, 1)`)
			if err := first.Process.Signal(signal); err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			// A stop has its own part in it: what was read is published and acknowledged first.
			if err := first.Wait(); err != nil && !errors.As(err, new(*exec.ExitError)) {
				t.Fatal(err)
			}
			gone := time.Now()
			r.exec(`insert into products values (2, 2)`)
			r.settle()
			t.Logf("%s: gone after %s, the change of the other one on Kafka %s later", name, gone.Sub(began), time.Since(gone))
			r.check()
		})
	}
}

// TestHealth is pitfall 38: healthy is who streams, not who waits or has failed.
func TestHealth(t *testing.T) {
	r := newRig(t, counters)
	first, second := r.watched(), r.watched()
	await(t, "one streams, one does not", func() bool {
		a, b := first.Healthy(t.Context()), second.Healthy(t.Context())
		return (a == nil) != (b == nil) && r.waits()
	})
	for _, in := range []*ingest.Ingest{first, second} {
		if err := in.Healthy(t.Context()); err != nil && !strings.Contains(err.Error(), "its lock is taken") {
			t.Errorf("it says %v", err)
		}
	}
}

// watched runs an ingest until the test ends and returns it.
func (r *rig) watched() *ingest.Ingest {
	r.t.Helper()
	in, err := ingest.New(r.config)
	if err != nil {
		r.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- in.Run(ctx) }()
	r.t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			r.t.Error(err)
		}
	})
	return in
}

// failover is a primary with a standby that keeps its failover slots, and an ingest that knows both.
type failover struct {
	*rig
	primary, standby *stacktest.Server
}

func newFailover(t *testing.T, settings ...string) *failover {
	t.Helper()
	primary := stacktest.PostgresServer(t, 17, settings...)
	useServer(t, primary)
	f := &failover{rig: newRig(t, counters), primary: primary}
	// The server's own worker looks every 30 s when little happens; the test calls it instead.
	f.standby = primary.Standby(t, "sync_replication_slots=off")
	location := strings.TrimPrefix(f.url, "postgres://postgres@"+primary.Addr())
	f.config.PostgresURL = fmt.Sprintf("postgres://postgres@%s,%s%s?target_session_attrs=read-write", primary.Addr(), f.standby.Addr(), location)
	return f
}

// reconnect takes the rig's own connection to the promoted standby.
func (f *failover) reconnect() {
	f.t.Helper()
	f.url = strings.Replace(f.url, f.primary.Addr(), f.standby.Addr(), 1)
	conn, err := pgx.Connect(f.t.Context(), f.url)
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { closeConn(f.t, conn) })
	f.conn = conn
}

// synced waits until the standby's copy of the slot would survive a promotion.
func (f *failover) synced() {
	f.t.Helper()
	await(f.t, "the slot is on the standby", func() bool {
		f.primary.Exec(`select pg_log_standby_snapshot()`)
		f.standby.Exec(`select pg_sync_replication_slots()`)
		conn, err := pgx.Connect(f.t.Context(), f.standby.URL())
		if err != nil {
			f.t.Fatal(err)
		}
		defer closeConn(f.t, conn)
		var ready bool
		if err := conn.QueryRow(f.t.Context(), `select coalesce((select synced and not temporary from pg_replication_slots where slot_name = $1), false)`, f.prefix).Scan(&ready); err != nil {
			f.t.Fatal(err)
		}
		return ready
	})
}

// TestFailover is pitfalls 13 and 20: the primary is killed, its standby promoted, and ingest goes on there without a loss,
// from the slot's copy. synchronized_standby_slots keeps ingest from seeing what the standby does not have.
func TestFailover(t *testing.T) {
	f := newFailover(t)
	f.primary.Exec(`alter system set synchronized_standby_slots = '`+stacktest.StandbySlot+`'`, `select pg_reload_conf()`)
	f.start()
	f.settle()
	f.exec(`insert into products select i, i from generate_series(1, 500) i`)
	f.settle()
	f.synced()
	f.exec(`insert into products select i, i from generate_series(501, 600) i`)
	f.settle() // on Kafka, so on the standby
	f.primary.Kill()
	f.standby.Promote()
	// The standby must not wait for a standby of its own.
	f.standby.Exec(`alter system set synchronized_standby_slots = ''`, `select pg_reload_conf()`)
	f.reconnect()
	f.exec(`insert into products values (1000, 1)`, `update products set v = -1 where id = 550`)
	f.settle()
	f.check()
}

// TestFailoverToALaggingStandby is pitfall 20 where nothing held ingest back: what it published is not in the history of the
// promoted standby, and it says so instead of going on.
func TestFailoverToALaggingStandby(t *testing.T) {
	f := newFailover(t)
	run := f.start()
	f.settle()
	f.exec(`insert into products values (1, 1)`)
	f.settle()
	f.synced()
	f.standby.Stop() // it falls behind
	f.exec(`insert into products select i, i from generate_series(2, 300) i`)
	f.settle()
	f.primary.Kill()
	f.standby.Start()
	f.standby.Promote()
	f.reconnect()
	// Its log may grow past what we know before we look at it: then its history tells, else its length.
	f.exec(`insert into products select i, -i from generate_series(2, 3000) i`)
	err := <-run.done
	var refused *ingest.RefusedError
	if !errors.As(err, &refused) || !strings.Contains(err.Error(), "--resnapshot") ||
		(!strings.Contains(err.Error(), "not in its history") && !strings.Contains(err.Error(), "is ahead of the server's log")) {
		t.Fatalf("got %v", err)
	}
	t.Log(err)
}

// TestSlotLosesItsLog is pitfall 19: max_slot_wal_keep_size costs the slot its log rather than the server its disk. Before,
// the gauges tell; after, ingest refuses.
func TestSlotLosesItsLog(t *testing.T) {
	server := stacktest.PostgresServer(t, 17, "max_slot_wal_keep_size=32MB", "min_wal_size=32MB", "max_wal_size=48MB")
	useServer(t, server)
	r := newRig(t, counters, `create table private (id int, filler text)`)
	registry := prometheus.NewRegistry()
	r.config.Registerer = registry
	run := r.start()
	r.settle()
	await(t, "the gauge is set", func() bool { return gauge(t, registry, "slot_safe_wal_bytes") > 0 })
	if err := run.stop(); err != nil {
		t.Fatal(err)
	}
	r.exec(`insert into products values (1, 1)`)
	for range 6 {
		r.exec(`insert into private select i, repeat('x', 500) from generate_series(1, 40000) i`, `checkpoint`, `select pg_switch_wal()`)
	}
	r.exec(`checkpoint`)
	err := <-r.start(func(c *ingest.Config) { c.Registerer = nil }).done
	if err == nil || !strings.Contains(err.Error(), "is invalid") || !strings.Contains(err.Error(), "--resnapshot") {
		t.Fatalf("got %v", err)
	}
	t.Log(err)
}

// TestLongTransaction is pitfall 22: a transaction that stays open keeps the slot's log whatever the reader does, and is
// shown as the cause.
func TestLongTransaction(t *testing.T) {
	r := newRig(t, counters)
	run := r.start()
	r.settle()
	if err := run.stop(); err != nil {
		t.Fatal(err)
	}
	// The slot is made by now: its creation would wait for the transaction.
	tx, err := r.conn.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), `insert into products values (1, 1)`); err != nil {
		t.Fatal(err)
	}
	registry := prometheus.NewRegistry()
	r.start(func(c *ingest.Config) { c.Registerer = registry })
	await(t, "the transaction's age is shown", func() bool { return gauge(t, registry, "oldest_transaction_seconds") > 0 })
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.settle()
	r.check()
}

// TestPublicationMadeAgain is pitfall 18 for the publication: changes that were committed while it was missing are in no
// stream, on Postgres 18 without any error, so ingest notices by the publication itself, running or not.
func TestPublicationMadeAgain(t *testing.T) {
	again := []string{
		`drop publication freshet`, `insert into products values (5, 5)`, `create publication freshet for table products, prices`,
		`insert into products values (6, 6)`,
	}
	for _, major := range []int{17, 18} {
		t.Run(fmt.Sprint("Postgres ", major), func(t *testing.T) {
			t.Parallel()
			useServer(t, stacktest.PostgresServer(t, major))
			for name, running := range map[string]bool{"while it runs": true, "while it does not": false} {
				t.Run(name, func(t *testing.T) {
					r := newRig(t, counters)
					run := r.start()
					r.settle()
					if !running {
						if err := run.stop(); err != nil {
							t.Fatal(err)
						}
					}
					r.exec(again...)
					if !running {
						run = r.start()
					}
					err := <-run.done
					var refused *ingest.RefusedError
					if !errors.As(err, &refused) || !strings.Contains(err.Error(), "made again") {
						t.Fatalf("got %v", err)
					}
					r.start(func(c *ingest.Config) { c.Resnapshot = true })
					r.exec(`insert into products values (7, 7)`)
					r.settle()
					r.check()
				})
			}
		})
	}
}
