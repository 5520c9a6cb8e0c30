package stream

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"freshet/ingest/change"
	"freshet/ingest/validator"
)

// TestNothingIsLostUnderFaults is the proof in short, and with FRESHET_TEST_LONG=1 in long: over two hundred faults and
// transactions of a million rows. -seed replays one.
func TestNothingIsLostUnderFaults(t *testing.T) {
	seed := *seedFlag
	if seed == 0 {
		seed = uint64(time.Now().UnixNano()) % 1e9
	}
	often, rare, perRound, large := 1, 1, 5, int64(20_000)
	if os.Getenv("FRESHET_TEST_LONG") != "" {
		often, rare, perRound, large = 14, 2, 10, 1_000_000
	}
	t.Logf("seed %d: go test ./deploy/e2e/stream -seed %d", seed, seed)
	defer func() {
		if t.Failed() {
			t.Logf("it was seed %d", seed)
		}
	}()
	w := newWorld(t, seed, 3*time.Millisecond)
	rng := rand.New(rand.NewPCG(seed, 1))
	w.oracle.NewSlot()
	w.nemesis.keep(keepCatalog)
	w.start()
	w.await("the slot", "select exists (select from pg_replication_slots where slot_name = '"+slot+"' and confirmed_flush_lsn is not null)")
	for round := range slices.Chunk(plan(rng, often, rare), perRound) {
		w.round(round, rng)
	}
	w.largeTransaction(large)
	w.finish()
	w.report(seed)
	least := validator.Counts{Records: 3000, Transactions: 300, Cuts: 3, Ops: map[change.Op]int{
		change.Create: 500, change.Update: 500, change.Delete: 100, change.Tombstone: 100, change.Truncate: 3, change.Read: 60,
	}}
	for _, short := range w.validator.Counts().Below(least) {
		t.Error(short)
	}
	for _, op := range append(slices.Clone(operations), alone...) {
		if w.nemesis.counts[op.name] == 0 {
			t.Errorf("%q was never done", op.name)
		}
	}
}

// round injects faults while the nemesis writes, and verifies once it rests.
func (w *world) round(faults []fault, rng *rand.Rand) {
	w.t.Helper()
	ctx, stop := context.WithCancelCause(w.t.Context())
	written, ended := make(chan error, 1), make(chan struct{})
	go func() {
		defer close(ended)
		err := w.nemesis.run(ctx)
		stop(err)
		written <- err
	}()
	defer func() { stop(nil); <-ended }() // also where a fault fails the test
	for _, f := range faults {
		w.inject(ctx, f, rng)
	}
	stop(nil)
	if err := <-written; err != nil {
		w.t.Fatal(err)
	}
	w.verify()
}

// largeTransaction kills ingest in the midst of one transaction of many rows.
func (w *world) largeTransaction(rows int64) {
	w.t.Helper()
	w.sql(w.nemesis.large(rows))
	began := time.Now()
	w.ingest.end(syscall.SIGKILL)
	w.start()
	w.caughtUp()
	w.recovery = append(w.recovery, time.Since(began))
	w.faults[fmt.Sprintf("SIGKILL of ingest in a transaction of %d rows", rows)]++
	w.verify()
}

// await polls the database for something that must come.
func (w *world) await(what, query string) {
	w.t.Helper()
	deadline := time.Now().Add(patience)
	for ok := false; !ok; {
		w.connected(func(ctx context.Context, conn *pgx.Conn) error { return conn.QueryRow(ctx, query).Scan(&ok) })
		if !ok && time.Now().After(deadline) {
			w.t.Fatalf("%s never came:\n%s", what, w.ingest.tail(10))
		}
	}
}

// report prints the figures of the run as docs/reliability.md has them.
func (w *world) report(seed uint64) {
	w.t.Helper()
	c, v := w.validator.Counts(), w.oracle.Verified()
	var b strings.Builder
	fmt.Fprintf(&b, "\n| seed | %d |\n| faults | %d |\n", seed, len(w.recovery))
	for _, name := range slices.Sorted(maps.Keys(w.faults)) {
		fmt.Fprintf(&b, "| - %s | %d |\n", name, w.faults[name])
	}
	fmt.Fprintf(&b, "| rows verified | %d |\n| transactions verified | %d |\n| rows of snapshots verified | %d |\n", v.Rows, v.Transactions, v.SnapshotRows)
	fmt.Fprintf(&b, "| records read | %d |\n| missing, wrong, extra | %d, %d, %d |\n", c.Records, v.Missing, v.Wrong, v.Extra)
	fmt.Fprintf(&b, "| repeated | %d (%.1f %%) |\n", c.Repeated, 100*float64(c.Repeated)/float64(c.Records))
	slices.Sort(w.recovery)
	at := func(p int) time.Duration { return w.recovery[(len(w.recovery)-1)*p/100].Round(10 * time.Millisecond) }
	fmt.Fprintf(&b, "| recovery p50, p99, most | %s, %s, %s |\n", at(50), at(99), at(100))
	w.t.Log(b.String(), w.nemesis.summary())
}
