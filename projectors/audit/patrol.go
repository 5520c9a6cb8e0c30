package audit

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// PatrolConfig is what a Patrol goes by; every field is required.
type PatrolConfig struct {
	// Budget is the share of the time that is spent looking, above 0 up to 1: after each look the patrol rests for the other
	// part. Little finds drift later; much is load on Postgres and on the read models.
	Budget float64
	// Stores lists the stores, Slices the scopes that make up one, Look compares one of these at a watermark.
	Stores func(ctx context.Context) ([]int64, error)
	Slices func(ctx context.Context, store int64) ([]Scope, error)
	Look   func(ctx context.Context, slice Scope) (Report, error)
	// Tell is told all that stays wrong in a store, when all of it has been looked at.
	Tell func(ctx context.Context, store int64, wrong map[Kind][]Difference) error
	Log  *slog.Logger
}

// patrolled lists what a patrol counts.
func patrolled() []Kind { return append(Kinds(), Stock) }

// Patrol audits one store after the other, for ever, and says how many documents have drifted.
type Patrol struct {
	cfg   PatrolConfig
	drift map[Kind]map[int64]int // by store, as of its newest look

	documents *prometheus.GaugeVec
	stores    prometheus.Counter
	failures  prometheus.Counter
	round     prometheus.Gauge
}

// NewPatrol returns a patrol whose metrics are registered.
func NewPatrol(cfg PatrolConfig, registerer prometheus.Registerer) (*Patrol, error) {
	if cfg.Budget <= 0 || cfg.Budget > 1 {
		return nil, fmt.Errorf("audit: the budget %g is not above 0 and at most 1", cfg.Budget)
	}
	p := &Patrol{
		cfg: cfg, drift: map[Kind]map[int64]int{},
		documents: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "freshet_drift_documents", Help: "ALARM unless 0: documents that are not what Postgres says, each store as of its newest audit.",
		}, []string{"kind"}),
		stores:   prometheus.NewCounter(prometheus.CounterOpts{Name: "freshet_audit_stores_total", Help: "Stores audited."}),
		failures: prometheus.NewCounter(prometheus.CounterOpts{Name: "freshet_audit_failures_total", Help: "Audits of a store that could not be done."}),
		round:    prometheus.NewGauge(prometheus.GaugeOpts{Name: "freshet_audit_round_seconds", Help: "How long the newest round through all stores took."}),
	}
	for _, kind := range patrolled() {
		p.drift[kind] = map[int64]int{}
		p.documents.WithLabelValues(string(kind)).Set(0)
	}
	for _, c := range []prometheus.Collector{p.documents, p.stores, p.failures, p.round} {
		if err := registerer.Register(c); err != nil {
			return nil, fmt.Errorf("audit: register metrics: %w", err)
		}
	}
	return p, nil
}

// Run goes round until the context ends, which is no error. A store that can't be audited is told, counted, and passed over
// until the next round.
func (p *Patrol) Run(ctx context.Context) error {
	for {
		began := time.Now()
		stores, err := p.cfg.Stores(ctx)
		if err != nil && ctx.Err() == nil {
			p.failed(0, err)
		}
		p.forget(stores, err)
		for _, store := range stores {
			if err := p.audit(ctx, store); err != nil && ctx.Err() == nil {
				p.failed(store, err)
			}
			if ctx.Err() != nil {
				return nil
			}
		}
		p.round.Set(time.Since(began).Seconds())
		if len(stores) == 0 && !p.rest(ctx, time.Second) {
			return nil
		}
	}
}

func (p *Patrol) failed(store int64, err error) {
	p.failures.Inc()
	p.cfg.Log.Warn("a store can't be audited", "store", store, "error", err)
}

// rest makes up for the time that was spent, and says whether the patrol goes on.
func (p *Patrol) rest(ctx context.Context, spent time.Duration) bool {
	timer := time.NewTimer(time.Duration(float64(spent) * (1/p.cfg.Budget - 1)))
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}

// audit looks at a store slice by slice, and tells what is wrong in it.
func (p *Patrol) audit(ctx context.Context, store int64) error {
	scopes, err := p.cfg.Slices(ctx, store)
	if err != nil {
		p.rest(ctx, time.Second)
		return err
	}
	wrong := map[Kind][]Difference{}
	for _, slice := range scopes {
		found, err := p.look(ctx, slice)
		if err != nil {
			return err
		}
		for kind, list := range found {
			wrong[kind] = append(wrong[kind], list...)
		}
	}
	p.note(store, wrong)
	return p.cfg.Tell(ctx, store, wrong)
}

// look looks at a slice as often as it takes to know what is wrong each time, and rests after each look.
func (p *Patrol) look(ctx context.Context, slice Scope) (wrong map[Kind][]Difference, err error) {
	for range Looks {
		began := time.Now()
		report, err := p.cfg.Look(ctx, slice)
		if !p.rest(ctx, time.Since(began)) {
			return nil, ctx.Err()
		}
		if err != nil {
			return nil, err
		}
		if wrong = Again(wrong, report); len(wrong) == 0 {
			break
		}
	}
	return wrong, nil
}

// note keeps how much is wrong in a store.
func (p *Patrol) note(store int64, wrong map[Kind][]Difference) {
	p.stores.Inc()
	for _, kind := range patrolled() {
		p.drift[kind][store] = len(wrong[kind])
		if list := wrong[kind]; len(list) > 0 {
			what := "documents have drifted: repair them with freshet audit --repair"
			if kind == Stock {
				what = "stock is not what its ledger and its holds come to"
			}
			p.cfg.Log.Error(what, "store", store, "kind", kind, "documents", len(list), "first", list[0].Key)
		}
	}
	p.show()
}

// forget drops what is known of stores that are no more.
func (p *Patrol) forget(stores []int64, err error) {
	if err != nil {
		return
	}
	for _, byStore := range p.drift {
		for store := range byStore {
			if !slices.Contains(stores, store) {
				delete(byStore, store)
			}
		}
	}
	p.show()
}

func (p *Patrol) show() {
	for kind, byStore := range p.drift {
		total := 0
		for _, n := range byStore {
			total += n
		}
		p.documents.WithLabelValues(string(kind)).Set(float64(total))
	}
}
