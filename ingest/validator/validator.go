// Package validator checks what lies on the topics of ingest against what ingest promises. Tests of ingest and of whole
// deployments feed it every record and every progress record as a consumer reads them; no process of Freshet calls it.
//
// A Validator needs no knowledge of the source. It holds the rules of a stream that is delivered at least once: the
// records of a partition appear in the order of their positions; what comes again comes as a contiguous piece of what
// came before, reaches its end before anything new comes, and is the same word for word; offsets and transactions have
// no holes; each row lies in the partition of its routing value; progress never goes back, and nothing new appears
// below a cut that it announced.
//
// An Oracle knows the source's own log of versions and compares, transaction by transaction, every row image, every
// partition's checksum and, after every commit, the fingerprint of every table: a lost update is seen though a later
// one hides it. Counts say how much was really seen, so that an empty topic can't pass for a correct one.
//
// Guarantee: no check stops at the first failure, and none of them is ever forgotten.
package validator

import (
	"fmt"
	"hash/fnv"
	"slices"

	"freshet/ingest/change"
)

// Record is a record of a table topic as a consumer reads it.
type Record struct {
	Topic     string
	Partition int
	Offset    int64
	// Snapshot says that the source block marks the record as a snapshot's: a row that was read, or the delete of one that
	// a sweep found gone. These come again at another place rather than at their own.
	Snapshot bool
	Event    change.Event
}

// Validator holds what was read so far. It belongs to one goroutine.
type Validator struct {
	tables       map[string]Table
	partitions   map[place]*partition
	transactions map[change.LSN]*Transaction
	taken        change.LSN // transactions below it were handed out
	reported     map[string]change.LSN
	counts       Counts
	failures     failures
}

type place struct {
	topic string
	id    int
}

// New returns a Validator of the topics of these tables, by topic.
func New(tables map[string]Table) *Validator {
	return &Validator{
		tables: tables, partitions: map[place]*partition{}, transactions: map[change.LSN]*Transaction{}, reported: map[string]change.LSN{},
	}
}

// Record takes the next record of a partition. Records of one partition must come in the order of their offsets; those of
// different partitions, and progress, in any.
func (v *Validator) Record(r Record) {
	p := v.partition(place{r.Topic, r.Partition})
	v.counts.Records++
	if r.Offset != p.next {
		v.failures.add("%s/%d: offset %d follows %d", r.Topic, r.Partition, r.Offset, p.next-1)
	}
	p.next = r.Offset + 1
	ver := version{position: r.Event.Position, tombstone: r.Event.Op == change.Tombstone, digest: digestOf(&r.Event), offset: r.Offset, snapshot: r.Snapshot}
	if !p.take(ver, &v.failures) {
		v.counts.Repeated++
		return
	}
	v.counts.count(r.Event.Op)
	v.checkPartition(&r)
	v.gather(&r)
}

// Finish checks what only the end can show: that no partition went back and never caught up.
func (v *Validator) Finish() {
	for _, p := range v.partitions {
		p.finish(&v.failures)
	}
}

// Failures returns everything found so far.
func (v *Validator) Failures() []string { return v.failures }

// Counts returns how much was seen so far.
func (v *Validator) Counts() Counts { return v.counts }

func (v *Validator) partition(at place) *partition {
	p := v.partitions[at]
	if p == nil {
		p = &partition{place: at, announced: -1}
		v.partitions[at] = p
	}
	return p
}

// checkPartition demands that a row lies where its routing value belongs. Where the row does not say, as in the delete of
// a table whose replica identity lacks the routing column, every partition must have it, which the Oracle counts.
func (v *Validator) checkPartition(r *Record) {
	table, known := v.tables[r.Topic]
	if !known || r.Event.Op == change.Tombstone || r.Event.Op == change.Truncate {
		return
	}
	image := r.Event.After
	if len(image) == 0 {
		image = r.Event.Before
		if !table.identifies(table.Routing) {
			return
		}
	}
	want, err := table.partition(image)
	if err != nil {
		v.failures.add("%s/%d@%d: %v", r.Topic, r.Partition, r.Offset, err)
		return
	}
	if want != r.Partition {
		v.failures.add("%s/%d@%d: %s belongs to partition %d", r.Topic, r.Partition, r.Offset, r.Event.Key, want)
	}
}

// failures are kept up to a limit: a thousand of one kind say no more than a hundred.
type failures []string

const maxFailures = 200

func (f *failures) add(format string, args ...any) {
	if len(*f) < maxFailures {
		*f = append(*f, fmt.Sprintf(format, args...))
	}
}

// digestOf covers what must be the same on every delivery: all but the time of processing and the hint in the source
// block at the transaction before, which a restart does not know. A message outside of transactions has no other time than
// that of its reading: the log does not say when it was written.
func digestOf(e *change.Event) uint64 {
	h := fnv.New64a()
	for _, part := range [][]byte{{byte(e.Op)}, []byte(e.Table), e.Key, e.Before, e.After} {
		_, _ = fmt.Fprintf(h, "%d:%s", len(part), part) // a hash takes everything
	}
	committed := e.CommitTime.UnixMicro()
	if e.Op == change.Message && e.XID == 0 {
		committed = 0
	}
	_, _ = fmt.Fprintf(h, "%q %d %d", e.Unchanged, committed, e.XID)
	return h.Sum64()
}

// Counts say how much a Validator has seen.
type Counts struct {
	Records, Repeated, Transactions, Cuts int
	Ops                                   map[change.Op]int // of first appearances
}

func (c *Counts) count(op change.Op) {
	if c.Ops == nil {
		c.Ops = map[change.Op]int{}
	}
	c.Ops[op]++
}

// Below names what fell short of the least: a test that saw nothing has shown nothing.
func (c Counts) Below(least Counts) []string {
	var short failures
	for _, n := range []struct {
		what      string
		got, want int
	}{
		{"records", c.Records, least.Records},
		{"repeated records", c.Repeated, least.Repeated},
		{"transactions", c.Transactions, least.Transactions},
		{"progress cuts with transactions", c.Cuts, least.Cuts},
	} {
		if n.got < n.want {
			short.add("only %d %s were seen, want %d at least", n.got, n.what, n.want)
		}
	}
	for op, want := range least.Ops {
		if c.Ops[op] < want {
			short.add("only %d records of op %q were seen, want %d at least", c.Ops[op], string(rune(op)), want)
		}
	}
	slices.Sort(short)
	return short
}
