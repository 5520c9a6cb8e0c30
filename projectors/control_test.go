package projectors_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"freshet/projectors"
)

// asked is what operators ask, in memory; the zero value is not known yet.
type asked struct {
	mu      sync.Mutex
	known   bool
	control projectors.Control
	changed chan struct{}
}

func (a *asked) set(change func(*projectors.Control)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.known = true
	change(&a.control)
	close(a.changed)
	a.changed = make(chan struct{})
}

func (a *asked) Of(string) (projectors.Control, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	c := a.control
	if c.Replay != nil {
		back := *c.Replay
		back.Done = slices.Clone(back.Done)
		c.Replay = &back
	}
	return c, a.known
}

func (a *asked) Changed() <-chan struct{} {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.changed
}

func (a *asked) Replayed(_ context.Context, _ string, partition int, _ string) error {
	a.set(func(c *projectors.Control) { c.Replay.Done = append(c.Replay.Done, partition) })
	return nil
}

// TestPauseHoldsBatchesBack: a stage waits until it knows what is asked, and while it is paused; nothing is lost.
func TestPauseHoldsBatchesBack(t *testing.T) {
	b := newBench(t, map[string]int{"a": 1})
	a, j := &asked{changed: make(chan struct{})}, &journal{}
	config := b.config()
	config.Controls = a
	r, registry := b.runtime(config)
	b.start(r, j.stage(b, "s", "a"))
	b.produce("a", 0, numbers(0, 3)...)
	a.set(func(c *projectors.Control) { c.Paused, c.Reason = true, "a test" })
	const paused = "# HELP freshet_projector_paused 1 while operators have paused the stage.\n# TYPE freshet_projector_paused gauge\n" +
		"freshet_projector_paused{partition=\"0\",stage=\"s\"} 1\n"
	eventually(t, "the gauge", func() bool {
		return testutil.GatherAndCompare(registry, strings.NewReader(paused), "freshet_projector_paused") == nil
	})
	if n := j.len(); n != 0 {
		t.Errorf("%d records were handled before anybody let the stage go", n)
	}
	a.set(func(c *projectors.Control) { c.Paused = false })
	eventually(t, "the records", func() bool { return j.len() == 3 })
}

// TestSkipFreesABatchThatFailsForEver: the record that is named is parked with its reason, the others are handled.
func TestSkipFreesABatchThatFailsForEver(t *testing.T) {
	b := newBench(t, map[string]int{"a": 1})
	a, j := &asked{changed: make(chan struct{})}, &journal{}
	a.set(func(*projectors.Control) {})
	config := b.config()
	config.Controls = a
	r, _ := b.runtime(config)
	stage := j.stage(b, "s", "a")
	tried := make(chan struct{}, 1)
	stage.New = func(context.Context, int) (projectors.Handler, error) {
		return handle(func(_ context.Context, batch []projectors.Record) error {
			if slices.ContainsFunc(batch, func(r projectors.Record) bool { return r.Offset == 1 }) {
				select {
				case tried <- struct{}{}:
				default:
				}
				return errors.New("the sink chokes on it")
			}
			j.add(batch)
			return nil
		}), nil
	}
	b.start(r, stage)
	b.produce("a", 0, numbers(0, 3)...)
	<-tried
	a.set(func(c *projectors.Control) {
		c.Skips = []projectors.Skip{{Topic: b.topic("a"), Partition: 0, Offset: 1, Reason: "chokes the sink"}}
	})
	eventually(t, "the others", func() bool { return j.len() == 2 })
	letters := b.all(b.prefix + ".deadletter")
	if len(letters) != 1 || string(letters[0].Value) != "1" {
		t.Fatalf("%d letters, want the one that was skipped", len(letters))
	}
	for _, h := range letters[0].Headers {
		if h.Key == projectors.HeaderDeadReason && !strings.Contains(string(h.Value), "chokes the sink") {
			t.Errorf("reason %q", h.Value)
		}
	}
}

// TestReplayGoesBackOnce: all partitions handle again what the topics hold, from an instant or from the beginning, and once.
func TestReplayGoesBackOnce(t *testing.T) {
	b := newBench(t, map[string]int{"a": 2})
	a, j := &asked{changed: make(chan struct{})}, &journal{}
	a.set(func(*projectors.Control) {})
	config := b.config()
	config.Controls = a
	r, _ := b.runtime(config)
	stop := b.start(r, j.stage(b, "s", "a"))
	b.produce("a", 0, numbers(0, 5)...)
	b.produce("a", 1, numbers(5, 10)...)
	eventually(t, "all", func() bool { return j.len() == 10 })
	a.set(func(c *projectors.Control) { c.Replay = &projectors.Replay{ID: "1"} })
	eventually(t, "all again", func() bool { return j.len() == 20 })
	eventually(t, "both partitions gone back", func() bool { c, _ := a.Of("s"); return len(c.Replay.Done) == 2 })
	// Nothing came since an instant that is still to come, so nothing is handled again.
	a.set(func(c *projectors.Control) { c.Replay = &projectors.Replay{ID: "2", Since: time.Now().Add(time.Hour)} })
	eventually(t, "both partitions looked back", func() bool { c, _ := a.Of("s"); return len(c.Replay.Done) == 2 })
	b.produce("a", 0, "10")
	eventually(t, "the next record", func() bool { return j.len() >= 21 })
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	if n := j.len(); n != 21 {
		t.Errorf("%d records handled, want 10 twice and one", n)
	}
}

// TestReplayFromTheBeginningIsTheWayOut: a stage that retention has overtaken stops, says so and names the commands; told to
// begin where the topic begins, it goes on.
func TestReplayFromTheBeginningIsTheWayOut(t *testing.T) {
	b := newBench(t, map[string]int{"a": 1})
	b.produce("a", 0, numbers(0, 20)...)
	b.commit("s", "a", 0, 5)
	b.deleteRecords("a", 0, 8)
	a, j := &asked{changed: make(chan struct{})}, &journal{}
	a.set(func(*projectors.Control) {})
	config := b.config()
	config.Controls = a
	stage := j.stage(b, "s", "a")
	stage.Repair = "freshet rebuild --all"
	r, _ := b.runtime(config)
	err := r.Run(t.Context(), stage)
	if err == nil || !strings.Contains(err.Error(), "freshet stage replay s --since beginning") || !strings.Contains(err.Error(), stage.Repair) {
		t.Fatalf("a stage that was overtaken: %v", err)
	}
	// The next process learns of it a moment after its start, and has not read on meanwhile.
	a = &asked{changed: make(chan struct{})}
	config.Controls = a
	r, registry := b.runtime(config)
	b.start(r, stage)
	eventually(t, "partitions assigned", func() bool {
		n, err := testutil.GatherAndCount(registry, "freshet_projector_generations_total")
		return err == nil && n > 0
	})
	select {
	case <-time.After(500 * time.Millisecond): // many times what a fetch takes
	case <-t.Context().Done():
	}
	a.set(func(c *projectors.Control) { c.Replay = &projectors.Replay{ID: "1"} })
	eventually(t, "what is left", func() bool { return slices.Equal(j.values(b.topic("a"), 0), numbers(8, 20)) })
}
