package tally

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"freshet/projectors"
	"freshet/projectors/demand"
)

// topic keeps what is published, or blocks until the context ends.
type topic struct {
	down     bool
	messages []projectors.Message
}

func (p *topic) Publish(ctx context.Context, messages []projectors.Message) (map[string][]int64, error) {
	if p.down {
		return nil, errors.New("no broker")
	}
	p.messages = append(p.messages, messages...)
	return nil, ctx.Err()
}

// clocked is a Tally whose time the test moves.
func clocked(t *testing.T) (tally *Tally, out *topic, now *time.Time) {
	t.Helper()
	out = &topic{}
	tally, err := New(Config{Publisher: out, Prefix: "test"})
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)
	tally.now = func() time.Time { return at }
	return tally, out, &at
}

func texts(events []demand.Event) string {
	var b strings.Builder
	for _, e := range events {
		fmt.Fprintf(&b, "%s %s;", e.Kind, e.Text)
	}
	return b.String()
}

// TestWhatWasMeant: of what one client types only what it ends with counts, at once when it clicks a hit, and not again
// when it narrows or repeats the search.
func TestWhatWasMeant(t *testing.T) {
	tally, _, now := clocked(t)
	typed := func(agent, text string) { tally.Searched(Client{"203.0.113.9", agent}, 3, "it", text, 4, false) }
	for _, text := range []string{"s", "sc", "sca", "sc", "scarpe", "SCARPE "} {
		typed("a", text)
		*now = now.Add(time.Second)
	}
	typed("b", "sc")
	if got := texts(tally.take(false)); got != "" {
		t.Errorf("too early: %s", got)
	}
	typed("a", "borse")
	if got := texts(tally.take(false)); got != "search scarpe;" {
		t.Errorf("after another text: %s", got)
	}
	a := Client{"203.0.113.9", "a"}
	tally.Clicked(a, 3, "it", "Borse", 9)
	tally.Clicked(a, 3, "it", "borse", 9)
	tally.Clicked(a, 3, "it", "anna@example.org", 9)
	if got := texts(tally.take(false)); got != "search borse;click borse;" {
		t.Errorf("after a click: %s", got)
	}
	*now = now.Add(quiet)
	if got := texts(tally.take(false)); got != "search sc;" {
		t.Errorf("after a moment: %s", got)
	}
	for i := range 20 {
		agent := fmt.Sprint("a", i%3) // another name makes nobody another client
		typed(agent, "scarpe")
		typed(agent, "borse")
		*now = now.Add(2 * quiet)
		if got := texts(tally.take(false)); got != "" {
			t.Fatalf("one address counts twice: %s", got)
		}
	}
	*now = now.Add(memory)
	typed("a", "scarpe")
	if got := texts(tally.take(true)); got != "search scarpe;" {
		t.Errorf("after a while: %s", got)
	}
}

// TestNoRoom: what there is no room for is dropped and counted, and so is what Kafka doesn't take.
func TestNoRoom(t *testing.T) {
	tally, out, _ := clocked(t)
	for i := range maxOpen + 7 {
		tally.Searched(Client{Address: fmt.Sprint(i)}, 3, "it", "scarpe", 4, false)
	}
	if n := testutil.ToFloat64(tally.dropped.WithLabelValues("full")); n != 7 {
		t.Errorf("%v dropped", n)
	}
	out.down = true
	if events := tally.take(true); len(events) != maxOpen || tally.publish(t.Context(), events, false) {
		t.Errorf("%d events", len(events))
	}
	if n := testutil.ToFloat64(tally.dropped.WithLabelValues("unpublished")); n != maxOpen {
		t.Errorf("%v not published", n)
	}
}

// TestOneAddressIsCountedSoOften: of what a machine makes up only so much is kept, and of its neighbours nothing is lost.
func TestOneAddressIsCountedSoOften(t *testing.T) {
	tally, _, now := clocked(t)
	for round := range 3 {
		for i := range maxOfOne + 9 {
			tally.Clicked(Client{"203.0.113.9", fmt.Sprint(i)}, 3, "it", fmt.Sprint("text ", i), 9)
		}
		tally.Clicked(Client{"203.0.113.8", "a"}, 3, "it", "scarpe", 9)
		if n := len(tally.take(false)); n != maxOfOne+1 {
			t.Errorf("round %d: %d counted", round, n)
		}
		if n := testutil.ToFloat64(tally.dropped.WithLabelValues("address")); n != float64(9*(round+1)) {
			t.Errorf("round %d: %v dropped", round, n)
		}
		*now = now.Add(memory)
		tally.take(false)
	}
	if len(tally.seen)+len(tally.counted) != 0 {
		t.Errorf("%d and %d are remembered", len(tally.seen), len(tally.counted))
	}
}

// TestTheLastArePublished: what was asked for before the end is told at the end, keyed by store, without who asked.
func TestTheLastArePublished(t *testing.T) {
	tally, out, _ := clocked(t)
	tally.Searched(Client{"203.0.113.9", "Lynx"}, 3, "it", "scarpe", 0, true)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := tally.Run(ctx); err != nil {
		t.Fatal(err)
	}
	const want = `{"kind":"search","at":"2026-05-04T12:00:00Z","store":3,"lang":"it","text":"scarpe","total":0,"fuzzy":true}`
	if len(out.messages) != 1 || string(out.messages[0].Value) != want || string(out.messages[0].Key) != "3" || out.messages[0].Topic != "test.searches" {
		t.Errorf("%+v", out.messages)
	}
}
