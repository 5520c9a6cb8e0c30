package stream

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/segmentio/kafka-go"

	"freshet/ingest/change"
)

// fault is something that happens to ingest, to a server or to the network. do makes it happen and ends it; steps lets the
// nemesis write meanwhile.
type fault struct {
	name string
	// dear faults cost seconds and are fewer in the short run.
	dear bool
	// order is no fault, but what faults meet on their way.
	order bool
	do    func(w *world, steps func())
}

func faults() []fault {
	all := []fault{
		{name: "SIGKILL of ingest", do: func(w *world, steps func()) {
			w.ingest.end(syscall.SIGKILL)
			steps()
			w.start()
		}},
		{name: "orderly stop of ingest", do: func(w *world, steps func()) {
			w.ingest.end(syscall.SIGTERM)
			steps()
			w.start()
		}},
		{name: "SIGKILL of ingest beside a standby", do: func(w *world, steps func()) {
			active := w.ingest
			w.start()
			steps()
			active.end(syscall.SIGKILL)
		}},
		{name: "walsender terminated", do: func(w *world, _ func()) {
			w.sql("select pg_terminate_backend(active_pid) from pg_replication_slots where slot_name = '" + slot + "' and active_pid is not null")
		}},
		{name: "SIGKILL of Postgres", dear: true, do: func(w *world, _ func()) { w.postgres.Kill(); w.postgres.Start() }},
		{name: "immediate stop of Postgres", dear: true, do: func(w *world, _ func()) { w.postgres.Crash(); w.postgres.Start() }},
		{name: "fast stop of Postgres", dear: true, do: func(w *world, _ func()) { w.postgres.Stop(); w.postgres.Start() }},
		{name: "SIGKILL of Kafka", dear: true, do: func(w *world, steps func()) { w.broker.Kill(); steps(); w.broker.Start() }},
		{name: "orderly restart of Kafka", dear: true, do: func(w *world, steps func()) { w.broker.Stop(); steps(); w.broker.Start() }},
		{name: "slot dropped, then --resnapshot", dear: true, do: dropSlot},
		{name: "incremental snapshot", order: true, do: func(w *world, _ func()) { w.order("snapshot") }},
		{name: "repair of all tables", order: true, do: func(w *world, _ func()) { w.order("repair") }},
	}
	for _, server := range []string{"postgres", "kafka"} {
		all = append(all,
			fault{name: "network to " + server + " cut", do: func(w *world, steps func()) {
				w.links[server].cut()
				steps()
				w.links[server].restore()
			}},
			spoilt("network to "+server+" silent", server, "timeout", `{"timeout":0}`),
			spoilt("network to "+server+" slow", server, "latency", `{"latency":40,"jitter":30}`),
			spoilt("connections to "+server+" reset", server, "reset_peer", `{"timeout":5}`),
			spoilt("network to "+server+" in pieces", server, "slicer", `{"average_size":64,"size_variation":32,"delay":50}`))
	}
	return all
}

func spoilt(name, server, kind, attributes string) fault {
	return fault{name: name, do: func(w *world, steps func()) {
		heal := w.links[server].spoil(kind, attributes)
		steps()
		heal()
	}}
}

// dropSlot takes the slot away: ingest must refuse to go on, and say how to repair it.
func dropSlot(w *world, steps func()) {
	w.t.Helper()
	w.ingest.end(syscall.SIGTERM)
	w.sql("select pg_drop_replication_slot('" + slot + "')")
	steps()
	w.nemesis.keep(keepCatalog)
	w.start()
	select {
	case <-w.ingest.done:
	case <-time.After(patience):
		w.t.Fatalf("ingest goes on without its slot:\n%s", w.ingest.tail(10))
	}
	if last := w.ingest.tail(1); !strings.Contains(last, "is gone") || !strings.Contains(last, "--resnapshot") {
		w.t.Fatalf("ingest does not refuse a slot that is gone: %s", last)
	}
	w.oracle.NewSlot()
	w.settings.Resnapshot = true
	w.start()
	w.settings.Resnapshot = false
	// A start that is killed in its snapshot begins it again by itself; the order to take one is carried out when the new
	// slot is there.
	w.await("a new slot", "select exists (select from pg_replication_slots where slot_name = '"+slot+"' and confirmed_flush_lsn is not null)")
	w.nemesis.kept.Store(keepColumns)
}

// order asks for an incremental snapshot of all tables, which goes on while faults happen: by SQL, as anybody may.
func (w *world) order(kind string) {
	w.t.Helper()
	var names []string
	for _, t := range w.topics.tables {
		if t.Name != messages {
			names = append(names, t.Name)
		}
	}
	signal, err := json.Marshal(map[string]any{"kind": kind, "tables": names})
	if err != nil {
		w.t.Fatal(err)
	}
	w.sql(fmt.Sprintf("select pg_logical_emit_message(true, 'freshet.signal', '%s')", signal))
}

// snapshotsEnd waits until no incremental snapshot is under way, as ingest's own position tells.
func (w *world) snapshotsEnd() {
	w.t.Helper()
	deadline := time.Now().Add(patience)
	for {
		var position struct{ Snapshots []struct{ ID, State string } }
		err := w.topics.read(w.t.Context(), change.PositionTopic(w.settings.Prefix), 0, func(_ *kafka.Record, _, value []byte) error {
			w.topics.position = value
			return nil
		})
		if err == nil {
			err = json.Unmarshal(w.topics.position, &position)
		}
		if err != nil {
			w.t.Fatal(err)
		}
		if !slices.ContainsFunc(position.Snapshots, func(s struct{ ID, State string }) bool { return s.State == "running" }) {
			return
		}
		if ended := w.ingest.ended(); ended != nil || time.Now().After(deadline) {
			said := w.ingest.tail(10)
			w.ingest.end(syscall.SIGQUIT) // it says where it waits
			w.t.Fatalf("snapshots do not end: %+v, %v\n%s\n%s", position.Snapshots, ended, said, w.ingest.tail(400))
		}
		<-time.After(50 * time.Millisecond)
	}
}

// plan is a shuffled list of faults: rare of the dear ones, often of the others.
func plan(rng *rand.Rand, often, rare int) []fault {
	var out []fault
	for _, f := range faults() {
		n := often
		if f.dear {
			n = rare
		}
		for range n {
			out = append(out, f)
		}
	}
	rng.Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
	return out
}

// inject makes a fault happen under writes and measures how long it takes from its beginning until everything that was
// committed when it ended is on Kafka.
func (w *world) inject(ctx context.Context, f fault, rng *rand.Rand) {
	w.t.Helper()
	steps := func() {
		w.t.Helper()
		if err := w.nemesis.await(ctx, 5+rng.Int64N(40)); err != nil {
			w.t.Fatal(err)
		}
	}
	steps()
	began := time.Now()
	f.do(w, steps)
	w.caughtUp()
	w.faults[f.name]++
	if !f.order {
		w.recovery = append(w.recovery, time.Since(began))
	}
	w.t.Logf("%s: caught up after %s", f.name, time.Since(began).Round(time.Millisecond))
}
