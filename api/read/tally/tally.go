// Package tally tells a topic what shoppers search for and click, and nothing of who they are.
//
// api/read reports every search and every click to it. Who types asks for each letter, and who narrows a result asks again
// for the same text: a text counts once its client has gone on to another or been quiet for a moment, and the same one from
// the same address counts once in a while, whatever browser it says it is, so that a text is not made popular by repeating
// it. An address has no more than a number of texts and clicks counted in that while, so that nobody fills the store.
// Clients are told apart by a hash with a seed of the process, in memory, for that while.
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
	// memory is for how long the same text of the same address is not counted again.
	memory = 10 * time.Minute
	// maxOfOne is how much is counted of one address in that while: room for many people behind it, and none for a machine.
	maxOfOne = 200
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

// Client is who asks, as far as that can be told. Who types is told apart by both; what is counted only by the address,
// because a client can call itself as it likes.
type Client struct{ Address, Agent string }

// Tally gathers reports. Its methods may be called from any goroutine; Run publishes.
type Tally struct {
	cfg     Config
	topic   string
	seed    maphash.Seed
	now     func() time.Time
	dropped *prometheus.CounterVec

	mu      sync.Mutex
	open    map[uint64]open // what each client asked for last
	seen    map[uint64]seen // what was counted, of whom
	counted map[uint64]int  // how many of those are of each address
	settled []demand.Event
}

// open is a search that may go on.
type open struct {
	event demand.Event
	at    time.Time // of the last letter
	what  uint64    // it is, for seen
	whose uint64    // it is, for counted
}

// seen is what is not counted again until then.
type seen struct {
	until time.Time
	whose uint64
}

// New returns a Tally.
func New(cfg Config) (*Tally, error) {
	cfg.Log = cmp.Or(cfg.Log, slog.Default())
	t := &Tally{
		cfg: cfg, topic: change.SearchTopic(cfg.Prefix), seed: maphash.MakeSeed(), now: time.Now,
		open: map[uint64]open{}, seen: map[uint64]seen{}, counted: map[uint64]int{},
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

// Searched reports a search as it was typed.
func (t *Tally) Searched(client Client, store int64, lang, text string, total int64, fuzzy bool) {
	text = demand.Normal(text)
	if text == "" {
		return
	}
	now := t.now()
	e := demand.Event{Kind: demand.Search, At: now.UTC(), Store: store, Lang: lang, Text: text, Total: total, Fuzzy: fuzzy}
	who := t.who(client, store, lang)
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
	t.open[who] = t.opened(client.Address, e, text)
}

// Clicked reports that a hit of a search was clicked, which also says that the search was meant.
func (t *Tally) Clicked(client Client, store int64, lang, text string, product int64) {
	text = demand.Normal(text)
	if text == "" {
		return
	}
	now := t.now()
	who := t.who(client, store, lang)
	t.mu.Lock()
	defer t.mu.Unlock()
	if before, asking := t.open[who]; asking && before.event.Text == text {
		t.settle(before, now)
		delete(t.open, who)
	}
	click := demand.Event{Kind: demand.Click, At: now.UTC(), Store: store, Lang: lang, Text: text, Product: product}
	t.settle(t.opened(client.Address, click, fmt.Sprint(product, " ", text)), now)
}

// who tells apart, without keeping, who types where.
func (t *Tally) who(client Client, store int64, lang string) uint64 {
	return t.hash(client.Address, client.Agent, fmt.Sprint(store), lang)
}

// opened is an event of what somebody did, told apart from others by it and by the address.
func (t *Tally) opened(address string, e demand.Event, what string) open {
	return open{event: e, at: e.At, what: t.hash(address, fmt.Sprint(e.Store), e.Lang, what), whose: t.hash(address)}
}

func (t *Tally) hash(parts ...string) uint64 {
	var all [4]string
	copy(all[:], parts)
	return maphash.Comparable(t.seed, all)
}

// settle makes an event ready to be published unless the same of the same address was a while ago.
func (t *Tally) settle(o open, now time.Time) {
	if before, known := t.seen[o.what]; known && now.Before(before.until) {
		return
	}
	if t.counted[o.whose] >= maxOfOne {
		t.dropped.WithLabelValues("address").Inc()
		return
	}
	if len(t.settled) >= maxSettled || len(t.seen) >= maxSeen {
		t.dropped.WithLabelValues("full").Inc()
		return
	}
	t.forget(o.what) // it may be there still though its while is over
	t.seen[o.what] = seen{until: now.Add(memory), whose: o.whose}
	t.counted[o.whose]++
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
	for what, s := range t.seen {
		if !now.Before(s.until) {
			t.forget(what)
		}
	}
	ready := t.settled
	t.settled = nil
	return ready
}

// forget lets what was seen be counted again.
func (t *Tally) forget(what uint64) {
	s, known := t.seen[what]
	if !known {
		return
	}
	delete(t.seen, what)
	if t.counted[s.whose]--; t.counted[s.whose] == 0 {
		delete(t.counted, s.whose)
	}
}
