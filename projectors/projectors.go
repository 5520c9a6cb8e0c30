// Package projectors is the runtime that every read model runs in: consumer group, generation-bound workers, our own fetch
// loop, dead letters, commit after store, and progress.
//
// cmd/freshet builds a Stage per read model and calls Runtime.Run. Guarantee: a record's offset is committed only after
// Handle has returned for it, in the order of its partition, by the generation that fetched it; deliveries may repeat,
// so handlers are idempotent. A record that a handler calls poison is parked on the dead-letter topic with its position,
// and the others flow.
package projectors

import (
	"context"
	"errors"
	"fmt"
	"time"

	"freshet/ingest/change"
)

// Record is one record of a topic. Key, Value and Headers belong to the handler.
type Record struct {
	Topic     string
	Partition int
	Offset    int64
	Key       []byte
	Value     []byte // nil for a tombstone
	Headers   []change.Header
	Time      time.Time
}

// Handler applies the records of one partition number, or of several where the stage is Joint. The runtime calls it from
// as many goroutines at a time as Stage.InFlight says.
type Handler interface {
	// Handle makes the effects of a batch durable before it returns nil. The batch holds records of all the stage's
	// topics, in offset order within each partition. An error that wraps Poison names records that can never be applied; any other
	// error is retried with the same batch.
	Handle(ctx context.Context, batch []Record) error
}

// Runner is a Handler that also has work of its own, like what is due by the clock. Run is called beside Handle once the
// partition is assigned; its context ends with the assignment, and it returns then. When it returns an error before, it is
// called again after a pause.
type Runner interface {
	Run(ctx context.Context) error
}

// Stage is one read model as the runtime sees it.
type Stage struct {
	Name     string        // consumer group "<prefix>.<name>" and stage of its Progress records
	Topics   []string      // inputs; partition i of each goes to one worker, topics of one partition to worker 0
	Upstream []string      // stages whose Progress says when our inputs hold everything up to an LSN
	Outputs  []string      // topics whose ends our Progress records name
	Window   time.Duration // from one Handle's begin to the next's, at least; a record that comes alone does not wait
	// Rest is how long a worker rests after a Handle, as a share of what that took, a second at most. A stage that others
	// must not wait for so leaves them room on the servers they share when there is more than it can do, and each of its
	// batches holds more.
	Rest     float64
	MaxBatch int // records per Handle and partition, default 2000
	// Joint lets one Handle take what has come to all partitions of this process, each of which begins at multiples of the
	// Window then: for a stage whose Handle costs more by itself than by its records. Bulk that takes turns is handled by itself.
	Joint bool
	// InFlight is how many batches of a partition may be handled at the same time, default 1. More is for a sink that is
	// slow to answer and orders by version, since the batches may become durable in any order; offsets are still committed
	// in order. A stage that rests has one.
	InFlight int
	// BulkBatch is how many records there are in a Handle of bulk (see Record.Bulk) while hot records come; 0, the default,
	// is for a stage with one lane. With lanes, one Handle of bulk at a time runs in the process and rests as long as it
	// took: less in each makes hot records wait less for it, and costs more for each record.
	BulkBatch int
	// Overtake names inputs whose hot records are handled before their turn while bulk stands in front of them: those that
	// the handler takes in any order.
	Overtake []string
	// Repair is the command that makes the read model right again after records were lost before they were read; it is
	// named by the error that stops the stage then.
	Repair string

	// New builds the handler of one partition when it is assigned, and is called again after every rebalance.
	New func(ctx context.Context, partition int) (Handler, error)
}

// Poison is the error of records that can never be applied.
type Poison struct {
	Records []Poisoned
}

// Poisoned is a record and why it can't be applied.
type Poisoned struct {
	Record Record
	Reason error
}

func (p *Poison) Error() string {
	if len(p.Records) == 0 {
		return "no poison records"
	}
	r := p.Records[0]
	return fmt.Sprintf("%d records can't be applied, the first at %s/%d@%d: %v",
		len(p.Records), r.Record.Topic, r.Record.Partition, r.Record.Offset, r.Reason)
}

// Add notes a record that can't be applied.
func (p *Poison) Add(r Record, reason error) { p.Records = append(p.Records, Poisoned{r, reason}) }

// Err returns p as an error, nil when nothing was added.
func (p *Poison) Err() error {
	if p == nil || len(p.Records) == 0 {
		return nil
	}
	return p
}

// Decode reads the change event of a record of a table topic.
func (r Record) Decode() (change.Event, error) { return change.Decode(r.Key, r.Value, r.Headers) }

// AsPoison returns the poison in err's chain.
func AsPoison(err error) (*Poison, bool) {
	var p *Poison
	ok := errors.As(err, &p)
	return p, ok
}

// ReadAll decodes the events of all records and gives them to each, before anything is applied. Its error is the Poison of
// the records that do not decode or that each refuses. Tombstones are left out: the delete before them said it all.
func ReadAll(records []Record, each func(Record, change.Event) error) error {
	var poison Poison
	for _, r := range records {
		if r.Value == nil {
			continue
		}
		ev, err := r.Decode()
		if err == nil {
			err = each(r, ev)
		}
		if err != nil {
			poison.Add(r, err)
		}
	}
	return poison.Err()
}
