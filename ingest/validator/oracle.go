package validator

import (
	"encoding/json"
	"fmt"

	"freshet/ingest/change"
)

// Change is a change of one row, or the truncation of a table, as the source itself noted it.
type Change struct {
	Table    string
	Op       change.Op // Create, Update, Delete, Truncate, or Message whose New is the message
	Old, New json.RawMessage
}

// Commit is a transaction of the source.
type Commit struct {
	LSN     change.LSN
	XID     uint32
	Changes []Change // in the order they were made
}

// Oracle compares transactions with commits. It folds both sides into tables as it goes: the source's by its own log, the
// topics' as any consumer would.
type Oracle struct {
	tables map[string]*Table // by name
	topics map[string]*Table // by topic
	source map[string]*fold
	topic  map[string]*fold
	sums   map[place]*Checksum

	// undelivered are commits that the topics lack. Only a snapshot behind them makes that right, and only one of a new slot.
	undelivered []Commit
	newSlots    int
	// unsettled are the tables whose rows on the topics may still lack some that a snapshot will bring.
	unsettled map[string]bool

	// loose are the contents of messages that belong to no transaction.
	loose    []string
	verified Verified
	failures failures
}

// Verified says what an Oracle has compared, and found.
type Verified struct {
	Transactions, Rows, SnapshotRows int
	Missing, Wrong, Extra            int
}

// NewOracle returns an Oracle of these tables, all of them empty.
func NewOracle(tables ...Table) *Oracle {
	o := &Oracle{
		tables: map[string]*Table{}, topics: map[string]*Table{}, source: map[string]*fold{}, topic: map[string]*fold{}, sums: map[place]*Checksum{},
		unsettled: map[string]bool{},
	}
	for _, t := range tables {
		o.tables[t.Name], o.topics[t.Topic] = &t, &t
		o.source[t.Name], o.topic[t.Name] = newFold(&t), newFold(&t)
	}
	return o
}

// Failures returns everything found so far.
func (o *Oracle) Failures() []string { return o.failures }

// LooseMessages returns the contents of the messages that belong to no transaction of the source's.
func (o *Oracle) LooseMessages() []string { return o.loose }

// Verified returns how much was compared so far.
func (o *Oracle) Verified() Verified { return o.verified }

// Verify compares transactions with the commits of the same stretch of the log, both in the order of their commits.
// Commits without a change of a published table must be left out.
func (o *Oracle) Verify(transactions []Transaction, commits []Commit) {
	for len(transactions) > 0 || len(commits) > 0 {
		switch {
		case len(transactions) == 0 || (len(commits) > 0 && commits[0].LSN < transactions[0].Commit):
			o.apply(commits[0])
			o.undelivered = append(o.undelivered, commits[0])
			commits = commits[1:]
		case transactions[0].isLoose():
			o.loose = append(o.loose, transactions[0].Records[0].After)
			transactions = transactions[1:]
		case transactions[0].IsSnapshot():
			o.deliver()
			o.takeSnapshot(&transactions[0])
			transactions = transactions[1:]
		case len(commits) == 0 || commits[0].LSN > transactions[0].Commit:
			o.deliver()
			o.extra("transaction %s of %d records was never committed", transactions[0].Commit, len(transactions[0].Records))
			transactions = transactions[1:]
		default:
			o.deliver()
			o.compare(&transactions[0], &commits[0])
			transactions, commits = transactions[1:], commits[1:]
		}
	}
}

// NewSlot says that a slot is made, with a snapshot: what was committed since the one before it was dropped is not delivered.
func (o *Oracle) NewSlot() { o.newSlots++ }

func (o *Oracle) missing(format string, args ...any) {
	o.verified.Missing++
	o.failures.add(format, args...)
}

func (o *Oracle) wrong(format string, args ...any) {
	o.verified.Wrong++
	o.failures.add(format, args...)
}

func (o *Oracle) extra(format string, args ...any) {
	o.verified.Extra++
	o.failures.add(format, args...)
}

// deliver is called when the stream goes on: what it has not delivered by then is lost, unless the slot was.
func (o *Oracle) deliver() {
	if len(o.undelivered) > 0 && o.newSlots > 0 {
		o.newSlots--
		o.undelivered = nil
		for name := range o.tables {
			o.unsettled[name] = true
		}
	}
	for _, c := range o.undelivered {
		o.missing("transaction %s (xid %d) of %d changes is missing", c.LSN, c.XID, len(c.Changes))
	}
	o.undelivered = nil
}

// apply folds a commit into the source's tables.
func (o *Oracle) apply(c Commit) {
	for _, ch := range c.Changes {
		if err := o.source[ch.Table].source(&ch); err != nil {
			o.wrong("the source's log: transaction %s: %v", c.LSN, err)
		}
	}
}

// compare holds a transaction against its commit, record by record, and then every table that it touched.
func (o *Oracle) compare(tx *Transaction, c *Commit) {
	if tx.XID != c.XID {
		o.wrong("transaction %s has xid %d, the source says %d", tx.Commit, tx.XID, c.XID)
	}
	want, err := o.expand(c)
	if err != nil {
		o.wrong("the source's log: transaction %s: %v", c.LSN, err)
		return
	}
	o.apply(*c)
	touched := map[string]bool{}
	for i := range min(len(want), len(tx.Records)) {
		touched[want[i].table.Name] = true
		if err := o.row(&tx.Records[i], &want[i]); err != nil {
			o.wrong("%s:%d: %v", tx.Commit, i+1, err)
		}
	}
	for i := len(want); i < len(tx.Records); i++ {
		o.extra("%s:%d: %c %s %s was never made", tx.Commit, i+1, tx.Records[i].Op, tx.Records[i].Topic, tx.Records[i].Key)
	}
	for i := len(tx.Records); i < len(want); i++ {
		o.missing("%s:%d: %c %s %s is missing", tx.Commit, i+1, want[i].op, want[i].table.Topic, want[i].key)
	}
	o.checksum(tx.Commit, want)
	for name := range touched {
		if ours, theirs := o.topic[name].sum, o.source[name].sum; ours != theirs && !o.unsettled[name] {
			o.wrong("after %s the fingerprint of %s is %016x, the source's %016x", tx.Commit, name, ours, theirs)
		}
	}
	o.verified.Transactions++
	o.verified.Rows += len(tx.Records)
}

// row compares one record with what it should be and folds it.
func (o *Oracle) row(got *Row, want *expected) error {
	if got.Topic != want.table.Topic || got.Op != want.op || got.Key != want.key {
		return fmt.Errorf("%c %s %s, want %c %s %s", got.Op, got.Topic, got.Key, want.op, want.table.Topic, want.key)
	}
	if got.Copies != want.copies() || (got.Op == change.Delete && got.Tombstones != got.Copies) {
		return fmt.Errorf("%c %s %s is on %d partitions with %d tombstones, want %d", got.Op, got.Topic, got.Key, got.Copies, got.Tombstones, want.copies())
	}
	if want.partition >= 0 && got.Partition != want.partition {
		return fmt.Errorf("%s %s lies in partition %d, want %d", got.Topic, got.Key, got.Partition, want.partition)
	}
	before, err := parse([]byte(got.Before))
	if err != nil {
		return err
	}
	identity := want.table.Identity
	if ours, theirs := before.only(identity).String(), want.before.only(identity).String(); (before != nil || got.Op == change.Delete || identity == nil) && ours != theirs {
		return fmt.Errorf("before of %s %s is %s, want %s", got.Topic, got.Key, ours, theirs)
	}
	after, err := o.topic[want.table.Name].topic(got)
	if o.unsettled[want.table.Name] && len(got.Unchanged) > 0 {
		return nil // the row that holds the large values may be yet to come
	}
	if err != nil {
		return err
	}
	if ours, theirs := after.String(), want.after.String(); ours != theirs {
		return fmt.Errorf("after of %s %s is %.300s, want %.300s", got.Topic, got.Key, ours, theirs)
	}
	return nil
}

// checksum adds a transaction to the checksums of the partitions it belongs to.
func (o *Oracle) checksum(commit change.LSN, want []expected) {
	for i, w := range want {
		for id := range w.table.Partitions {
			if w.partition >= 0 && w.partition != id {
				continue
			}
			at := place{w.table.Topic, id}
			if o.sums[at] == nil {
				o.sums[at] = &Checksum{}
			}
			o.sums[at].add(change.Position{Commit: commit, Index: uint64(i) + 1})
		}
	}
}

// CompareChecksums holds the partitions' checksums against those of the source's log.
func (o *Oracle) CompareChecksums(v *Validator) {
	for at, p := range v.partitions {
		want := o.sums[at]
		if want == nil {
			want = &Checksum{}
		}
		if _, ours := o.topics[at.topic]; ours && p.sum != *want {
			o.wrong("%s/%d: checksum %08x of %d rows, the source's is %08x of %d", at.topic, at.id, p.sum.CRC, p.sum.Rows, want.CRC, want.Rows)
		}
	}
}
