// Package tally tells a topic what shoppers search for and click, and nothing of who they are.
//
// api/read reports every search and every click to it. Who types asks for each letter, and who narrows a result asks again
// for the same text: a text counts once its client has gone on to another or been quiet for a moment, and the same one of
// the same client counts once in a while, so that nobody makes a text popular alone. Clients are told apart by a hash with a
// seed of the process, in memory, for that while.
//
// Guarantee: a report never waits, whatever Kafka does. What there is no room for, or what could not be published in time,
// is dropped and counted as dropped; what is published may be published twice.
package tally

import (
	"cmp"
	"context"
	"fmt"
	"hash/maphash"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"freshet/ingest/change"
	"freshet/projectors"
	"freshet/projectors/demand"
)

const (
	// quiet is how long a client asks nothing more before what it asked last was what it meant.
	quiet = 4 * time.Second
	// memory is for how long the same text of the same client is not counted again.
	memory = 10 * time.Minute
	// tick is how often what has settled is published.
	tick = time.Second
	// attempt is how long a batch is tried.
	attempt = 10 * time.Second
	// The most of each that are held: some megabytes in all.
	maxOpen, maxSettled, maxSeen = 20_000, 20_000, 100_000
)

// Publisher publishes durably; projectors.Producer does.
type Publisher interface {
	Publish(ctx context.Context, messages []projectors.Message) (map[string][]int64, error)
}

// Config is what a Tally is made of.
type Config struct {
	Publisher Publisher
	Prefix    string                // of the topic
	Metrics   prometheus.Registerer // nil for none
	Log       *slog.Logger          // default slog.Default()
}

// Tally gathers reports. Its methods may be called from any goroutine; Run publishes.
type Tally struct {
	cfg     Config
	topic   string
	seed    maphash.Seed
	now     func() time.Time
	dropped *prometheus.CounterVec

	mu      sync.Mutex
	open    map[uint64]open      // what each client asked for last
	seen    map[uint64]time.Time // what was counted, of whom, until when
	settled []demand.Event
}

// open is a search that may go on.
type open struct {
	event demand.Event
	at    time.Time // of the last letter
	seen  uint64
}

// New returns a Tally.
func New(cfg Config) (*Tally, error) {
	cfg.Log = cmp.Or(cfg.Log, slog.Default())
	t := &Tally{
		cfg: cfg, topic: change.SearchTopic(cfg.Prefix), seed: maphash.MakeSeed(), now: time.Now,
		open: map[uint64]open{}, seen: map[uint64]time.Time{},
		dropped: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "freshet_searches_dropped_total", Help: "Searches and clicks that were not published, so that nobody waits for it.",
		}, []string{"reason"}),
	}
	if cfg.Metrics != nil {
		if err := cfg.Metrics.Register(t.dropped); err != nil {
			return nil, fmt.Errorf("register the metrics of searches: %w", err)
		}
	}
	return t, nil
}

// Searched reports a search as it was typed. client tells apart who asks: an address and what else there is.
func (t *Tally) Searched(client string, store int64, lang, text string, total int64, fuzzy bool) {
	text = demand.Normal(text)
	if text == "" {
		return
	}
	now := t.now()
	e := demand.Event{Kind: demand.Search, At: now.UTC(), Store: store, Lang: lang, Text: text, Total: total, Fuzzy: fuzzy}
	who := t.hash(client, store, lang, "")
	t.mu.Lock()
	defer t.mu.Unlock()
	before, asking := t.open[who]
	if asking && !goesOn(before.event.Text, text) {
		t.settle(before, now)
	}
	if !asking && len(t.open) >= maxOpen {
		t.dropped.WithLabelValues("full").Inc()
		return
	}
	t.open[who] = open{event: e, at: now, seen: t.hash(client, store, lang, text)}
}

// Clicked reports that a hit of a search was clicked, which also says that the search was meant.
func (t *Tally) Clicked(client string, store int64, lang, text string, product int64) {
	text = demand.Normal(text)
	if text == "" {
		return
	}
	now := t.now()
	who := t.hash(client, store, lang, "")
	t.mu.Lock()
	defer t.mu.Unlock()
	if before, asking := t.open[who]; asking && before.event.Text == text {
		t.settle(before, now)
		delete(t.open, who)
	}
	click := demand.Event{Kind: demand.Click, At: now.UTC(), Store: store, Lang: lang, Text: text, Product: product}
	t.settle(open{event: click, seen: t.hash(client, store, lang, fmt.Sprint(product, " ", text))}, now)
}

// hash tells apart, without keeping, who asked for what.
func (t *Tally) hash(client string, store int64, lang, text string) uint64 {
	return maphash.Comparable(t.seed, [4]string{client, fmt.Sprint(store), lang, text})
}

// settle makes an event ready to be published unless the same of the same client was a while ago.
func (t *Tally) settle(o open, now time.Time) {
	if until, known := t.seen[o.seen]; known && now.Before(until) {
		return
	}
	if len(t.settled) >= maxSettled || len(t.seen) >= maxSeen {
		t.dropped.WithLabelValues("full").Inc()
		return
	}
	t.seen[o.seen] = now.Add(memory)
	t.settled = append(t.settled, o.event)
}

// take returns what is ready, and forgets what is old. With all true everything is ready.
func (t *Tally) take(all bool) []demand.Event {
	now := t.now()
	t.mu.Lock()
	defer t.mu.Unlock()
	for who, o := range t.open {
		if all || now.Sub(o.at) >= quiet {
			t.settle(o, now)
			delete(t.open, who)
		}
	}
	for what, until := range t.seen {
		if !now.Before(until) {
			delete(t.seen, what)
		}
	}
	ready := t.settled
	t.settled = nil
	return ready
}
