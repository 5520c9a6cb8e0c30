// Package rebuild makes the documents of all stores again, one store after the other, while they are live: if asked, it first
// has every row published again; then, of each store, it has the pages and search documents made anew, compares all
// documents with what SQL says they should be, and mends what is not.
//
// `freshet rebuild --all` and the admin process carry it out; POST /admin/v1/rebuild asks for it. The job is a document in
// MongoDB. Guarantee: what was asked is durable when Begin has returned, and goes on behind the last store that was compared
// after any crash, in whichever process; a store counts only when it was compared; readers never see an older state, since
// everything is written behind the versions that the stages write behind (docs/adr/0025).
package rebuild

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"go.mongodb.org/mongo-driver/v2/mongo"

	"freshet/projectors/audit"
	"freshet/projectors/document"
)

// CollectionName is the collection of the job.
const CollectionName = "rebuilds"

// jobID is the only document: two rebuilds of everything at a time would be one too many.
const jobID = "all"

// What becomes of a job.
const (
	Running = "running"
	Done    = "done"    // every store was compared, and nothing is wrong
	Failed  = "failed"  // every store was compared, and something is wrong still
	Stopped = "stopped" // by order
)

// Errors of orders out of turn.
var (
	ErrNone  = errors.New("there is no rebuild under way")
	errTaken = errors.New("another process carries the rebuild out, or it has ended")
)

// Order is what is asked for.
type Order struct {
	// Rows asks that every row be published again first, and a delete for each that the topics know and the tables have no
	// more; Rate bounds the rows a second, 0 for as many as go.
	Rows bool `bson:"rows" json:"rows"`
	Rate int  `bson:"rate" json:"rate"`
	// Budget is the share of the time that is spent on stores, above 0 up to 1: after each the job rests for the other part.
	Budget float64 `bson:"budget" json:"budget"`
	Reason string  `bson:"reason" json:"reason"`
}

// Validate says what is wrong with the order.
func (o Order) Validate() error {
	if o.Budget <= 0 || o.Budget > 1 {
		return fmt.Errorf("the budget %g is not above 0 and at most 1", o.Budget)
	}
	if o.Rate < 0 {
		return fmt.Errorf("the rate %d is negative", o.Rate)
	}
	return nil
}

// maxFindings is how many wrong documents a job names.
const maxFindings = 50

// Finding is a document that is wrong though it was mended.
type Finding struct {
	Store int64  `bson:"store" json:"store"` // 0 of what is of none
	Kind  string `bson:"kind" json:"kind"`
	Key   string `bson:"key" json:"key"`
}

// Job is the document rebuilds/all.
type Job struct {
	ID       string `bson:"_id" json:"-"`
	Rev      int64  `bson:"rev" json:"-"`
	Run      string `bson:"run" json:"id"` // names what was asked, among all that ever was
	Order    `bson:",inline"`
	State    string `bson:"state" json:"state"`
	RowsDone bool   `bson:"rows_done" json:"rows_done"`
	// RestDone says that what is of no store was compared.
	RestDone bool `bson:"rest_done" json:"rest_done"`
	// Cursor is the last store that was compared, Stored how many were, of Stores that there are.
	Cursor    int64     `bson:"cursor" json:"cursor"`
	Stored    int       `bson:"stored" json:"stored"`
	Stores    int       `bson:"stores" json:"stores"`
	Documents int       `bson:"documents" json:"documents"` // compared
	Mended    int       `bson:"mended" json:"mended"`       // stores in which documents had to be mended
	Wrong     int       `bson:"wrong" json:"wrong"`         // documents that could not be
	Findings  []Finding `bson:"findings" json:"findings"`   // the first of them
	// Problem is why it can't go on at the moment; it is tried again.
	Problem  string     `bson:"problem,omitempty" json:"problem,omitempty"`
	Started  time.Time  `bson:"started" json:"started"`
	Updated  time.Time  `bson:"updated" json:"updated"`
	Finished *time.Time `bson:"finished,omitempty" json:"finished,omitempty"`
	// Holder is the process that carries it out, and Beat when it last said so.
	Holder string    `bson:"holder" json:"-"`
	Beat   time.Time `bson:"beat" json:"-"`
}

// DocumentID is the field stored as _id.
func (j *Job) DocumentID() *string { return &j.ID }

// Revision is the field stored as rev.
func (j *Job) Revision() *int64 { return &j.Rev }

// Board is where the job is kept.
type Board struct {
	jobs *document.Collection[string, Job]
}

// Open returns the board in a database.
func Open(db *mongo.Database) *Board {
	return &Board{document.Open[string, Job](db, CollectionName, document.Config{})}
}

// Job returns the newest job; one without a Run when there was none.
func (b *Board) Job(ctx context.Context) (Job, error) {
	docs, err := b.jobs.Load(ctx, []string{jobID})
	if err != nil {
		return Job{}, fmt.Errorf("read the rebuild: %w", err)
	}
	if j := docs[jobID]; j != nil {
		return *j, nil
	}
	return Job{}, nil
}

// Begin asks for a rebuild. One that is under way goes on as it was asked for, and is returned.
func (b *Board) Begin(ctx context.Context, order Order) (Job, error) {
	if err := order.Validate(); err != nil {
		return Job{}, err
	}
	run, now := randomID(), moment()
	return b.change(ctx, func(j *Job) bool {
		if j.State == Running {
			return false
		}
		*j = Job{ID: jobID, Rev: j.Rev, Run: run, Order: order, State: Running, Findings: []Finding{}, Started: now, Updated: now}
		return true
	})
}

// Stop ends a rebuild that is under way before its next store. What was made stays made.
func (b *Board) Stop(ctx context.Context) (Job, error) {
	stopped := false
	j, err := b.change(ctx, func(j *Job) bool {
		if stopped = j.State == Running; stopped {
			j.end(Stopped)
		}
		return stopped
	})
	if err == nil && !stopped {
		err = ErrNone
	}
	return j, err
}

// change is called again with the job loaded afresh for as long as somebody else is faster.
func (b *Board) change(ctx context.Context, change func(*Job) bool) (Job, error) {
	docs, err := b.jobs.Update(ctx, []string{jobID}, func(_ string, j *Job) bool { return change(j) })
	if err != nil {
		return Job{}, fmt.Errorf("store the rebuild: %w", err)
	}
	return *docs[jobID], nil
}

// find notes what is wrong in a store.
func (j *Job) find(store int64, wrong map[audit.Kind][]audit.Difference) {
	j.Wrong += count(wrong)
	for kind, list := range wrong {
		for _, d := range list[:min(len(list), maxFindings-len(j.Findings))] {
			j.Findings = append(j.Findings, Finding{store, string(kind), d.Key})
		}
	}
}

func (j *Job) end(state string) {
	now := moment()
	j.State, j.Updated, j.Finished, j.Problem = state, now, &now, ""
}

// moment is the time as MongoDB keeps it.
func moment() time.Time { return time.Now().UTC().Truncate(time.Millisecond) }

func randomID() string {
	var id [8]byte
	_, _ = rand.Read(id[:]) // never fails: it ends the process instead
	return hex.EncodeToString(id[:])
}
