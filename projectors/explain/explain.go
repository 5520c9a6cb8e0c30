// Package explain follows one product of one store through every stage and says of each what it holds, how far it has come,
// what keeps shoppers from seeing the product, and how to mend that.
//
// `freshet explain` and the admin API call it. It reads Postgres, the topics, MongoDB and Elasticsearch, and writes nothing.
// Guarantee: what it calls wrong had been passed by its stage when it was looked at; what had not is called behind. A server
// that can't be reached is a finding, not an end: the other hops are still told.
package explain

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"go.mongodb.org/mongo-driver/v2/mongo"

	"freshet/ingest/change"
	"freshet/projectors/control"
	"freshet/projectors/dimension"
	"freshet/projectors/progress"
	"freshet/projectors/tail"
	"freshet/projectors/tree"
	"freshet/search"
)

// ErrUnknown is wrapped by the error for a store that Postgres does not have, and for a product that is nowhere: not in
// Postgres, on a topic or in a document, be it a tombstone.
var ErrUnknown = errors.New("there is no such row")

// Kind says what a finding means for the product.
type Kind string

// The kinds of finding, the gravest first.
const (
	Wrong       Kind = "wrong"       // the stage has passed the position and holds something else
	Unreachable Kind = "unreachable" // the hop could not be looked at
	Filter      Kind = "filter"      // by the shop's own data the product is not to be seen here
	Behind      Kind = "behind"      // the stage has not come so far yet
	Note        Kind = "note"        // worth knowing, and nothing to mend
)

// Finding is one thing that a hop tells, and how to mend it where there is something to mend.
type Finding struct {
	Kind   Kind   `json:"kind"`
	Code   string `json:"code"`
	Detail string `json:"detail"`
	Mend   string `json:"mend,omitempty"`
}

// Hop is one place that the product passes.
type Hop struct {
	Hop   string `json:"hop"`   // postgres, topic, product, offer, view, home, node, search, deadletter
	Where string `json:"where"` // table, topic/partition@offset, collection/_id, index/_id
	Found bool   `json:"found"`
	// Position is that of the newest change in it, Version what orders it among its like: revision, version of the view, or
	// external version.
	Position *change.Position `json:"position,omitempty"`
	Version  int64            `json:"version,omitempty"`
	Time     *time.Time       `json:"time,omitempty"`
	Holds    string           `json:"holds,omitempty"` // in a line
	Findings []Finding        `json:"findings"`
}

func (h *Hop) find(kind Kind, code, mend, format string, args ...any) {
	h.Findings = append(h.Findings, Finding{Kind: kind, Code: code, Detail: fmt.Sprintf(format, args...), Mend: mend})
}

func (h *Hop) from(p change.Provenance) {
	if !p.Position.IsZero() {
		h.Position, h.Time = &p.Position, &p.Time
	}
}

// Stage is how far a stage was before its hop was looked at.
type Stage struct {
	Stage    string      `json:"stage"`
	Known    bool        `json:"known"`
	Position *change.LSN `json:"position,omitempty"`
	// Behind is how many bytes of the log the stage has yet to pass to have seen what the explanation read from Postgres.
	Behind *int64 `json:"behind_bytes,omitempty"`
	// Paused says that operators have halted it, and Reason why.
	Paused bool   `json:"paused,omitempty"`
	Reason string `json:"reason,omitempty"`
}

// Explanation is the whole way.
type Explanation struct {
	Store    int64      `json:"store"`
	Code     string     `json:"store_code"`
	Product  int64      `json:"product"`
	Position change.LSN `json:"position"` // of what was read from Postgres
	// Shown says that every hop is as it should be and none of them filters the product.
	Shown   bool    `json:"shown"`
	Verdict string  `json:"verdict"` // in a sentence
	Stages  []Stage `json:"stages"`
	Hops    []Hop   `json:"hops"`
}

// watermarks says how far a stage has come; progress.Tracker does.
type watermarks interface {
	Watermark(stage string) (progress.Watermark, bool)
	Wait(ctx context.Context, lsn change.LSN, stages ...string) error
}

// patience is how long the stages are given to pass what was read from Postgres: a pipeline that is well takes a fraction of
// a second, and without it everything would always be a little behind.
const patience = 2 * time.Second

// dimensions is where the newest Set is; dimension.Cache is such a place.
type dimensions interface {
	Refresh(ctx context.Context) error
	Get() *dimension.Set
}

// Config is what an Explainer reads from; every field is required.
type Config struct {
	Postgres   string // URL
	Prefix     string // of topics, groups and indices
	Records    *tail.Reader
	Groups     Groups
	Database   *mongo.Database
	Search     *search.Client
	Progress   watermarks
	Dimensions dimensions
}

// Explainer explains.
type Explainer struct {
	cfg   Config
	pages *tree.Store
}

// New returns an Explainer. Nothing is opened before it is asked.
func New(cfg Config) *Explainer {
	return &Explainer{cfg: cfg, pages: tree.NewStore(cfg.Database, false)}
}

// stages are those that stand between Postgres and a shopper.
var stages = []string{"ingest", "dimension", "catalog", "offer", "tree", "index"}

// tour is one explanation in the making.
type tour struct {
	*Explainer
	rows *rows
	Explanation
	passed map[string]bool // the stages that had passed the rows' position before their hops were looked at
	paused map[string]bool
	docs   documents
}

// Explain follows the product, given by id or by a SKU of it, through the store, given by id or code.
func (e *Explainer) Explain(ctx context.Context, store, product string) (Explanation, error) {
	r, err := e.read(ctx, store, product)
	if err != nil {
		return Explanation{}, err
	}
	t := &tour{Explainer: e, rows: r, passed: map[string]bool{}, paused: map[string]bool{}}
	t.Store, t.Code, t.Product, t.Position = r.store.ID, r.store.Code, r.product, r.at
	t.measure(ctx)
	t.add(r.hop(time.Now()))
	for _, look := range []func(context.Context) error{t.topics, t.documents, t.view, t.tree, t.index, t.letters} {
		if err := look(ctx); err != nil {
			if ctx.Err() != nil {
				return Explanation{}, fmt.Errorf("explain product %d in store %d: %w", t.Product, t.Store, err)
			}
			t.add(Hop{Hop: "unreachable", Findings: []Finding{{Kind: Unreachable, Code: "unreachable", Detail: err.Error()}}})
		}
	}
	if t.nowhere() {
		return Explanation{}, fmt.Errorf("product %d is not in Postgres, nor on the topics or in a document: %w", t.Product, ErrUnknown)
	}
	t.judge()
	return t.Explanation, nil
}

// nowhere says whether all hops were looked at and none has a trace of the product. Pages are of others too.
func (t *tour) nowhere() bool {
	if t.rows.status != nil {
		return false
	}
	for _, h := range t.Hops {
		if h.Found && h.Hop != "node" && h.Hop != "home" {
			return false
		}
		if slices.ContainsFunc(h.Findings, func(f Finding) bool { return f.Kind == Unreachable }) {
			return false
		}
	}
	return true
}

func (t *tour) add(h Hop) {
	if h.Findings == nil {
		h.Findings = []Finding{}
	}
	t.Hops = append(t.Hops, h)
}

// measure takes the watermarks. It is done after the rows were read and before anything else is: what a stage had passed by
// now is in what will be read of it.
func (t *tour) measure(ctx context.Context) {
	waiting, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	// Whoever is not there by then is told as behind.
	_ = t.cfg.Progress.Wait(waiting, t.rows.at, stages...)
	// That MongoDB does not answer is told by the hops that need it.
	asked, _ := control.Open(t.cfg.Database).Load(ctx, stages[1:]...)
	for _, name := range stages {
		s := Stage{Stage: name, Paused: asked[name].Paused, Reason: asked[name].Reason}
		t.paused[name] = s.Paused
		if mark, known := t.cfg.Progress.Watermark(name); known {
			behind := int64(max(t.rows.at, mark.LSN) - mark.LSN)
			s.Known, s.Position, s.Behind = true, &mark.LSN, &behind
			t.passed[name] = behind == 0
		}
		t.Stages = append(t.Stages, s)
	}
}

// short says what it means that a hop lacks something: that it is wrong, or only that one of its stages is behind.
func (t *tour) short(h *Hop, stages []string, code, mend, format string, args ...any) {
	for _, name := range stages {
		if !t.passed[name] {
			h.find(Behind, code, t.wait(name), format, args...)
			return
		}
	}
	h.find(Wrong, code, mend, format, args...)
}

// wait says what to do about a stage that has not come so far.
func (t *tour) wait(stage string) string {
	if t.paused[stage] {
		return "stage " + stage + " is paused: freshet stage resume " + stage
	}
	return "wait; `freshet stage list` says whether stage " + stage + " moves"
}

// judge sums the findings up.
func (t *tour) judge() {
	for _, kind := range []Kind{Wrong, Unreachable, Filter, Behind} {
		for _, h := range t.Hops {
			for _, f := range h.Findings {
				if f.Kind == kind {
					t.Verdict = verdicts[kind] + f.Detail
					if f.Mend != "" {
						t.Verdict += "; to mend it: " + f.Mend
					}
					return
				}
			}
		}
	}
	t.Shown = true
	t.Verdict = "shoppers see the product, and every hop is as it should be"
}

var verdicts = map[Kind]string{
	Wrong: "a read model is wrong: ", Unreachable: "not all could be looked at: ", Filter: "not to be seen: ", Behind: "on its way: ",
}
