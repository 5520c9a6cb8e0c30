package validator

import (
	"cmp"
	"maps"
	"slices"

	"freshet/ingest/change"
)

// Transaction is what the topics hold of one transaction, its records in order.
type Transaction struct {
	Commit  change.LSN
	XID     uint32
	Records []Row
}

// Row is one record of a transaction. Strings, since a million of them wait for the last one.
type Row struct {
	Topic              string
	Partition          int
	Index              uint64
	Op                 change.Op
	Key, Before, After string // empty where there is none
	Unchanged          []string
	Snapshot           bool
	Tombstones         int // that followed a delete, of all partitions
	Copies             int // partitions that have it; one but for truncates and deletes without a routing value
}

// IsSnapshot says whether the rows are a snapshot's.
func (t *Transaction) IsSnapshot() bool { return len(t.Records) > 0 && t.Records[0].Snapshot }

// isLoose says whether it is a message that was written outside the source's transactions, or whatever became of its own.
func (t *Transaction) isLoose() bool {
	return t.XID == 0 && len(t.Records) == 1 && t.Records[0].Op == change.Message
}

// gather adds a first appearance to its transaction.
func (v *Validator) gather(r *Record) {
	e := &r.Event
	if r.Snapshot && e.Position.Commit < v.taken {
		return // left behind by a snapshot that was cut off, and old to whoever goes by positions
	}
	tx := v.transactions[e.Position.Commit]
	if tx == nil {
		tx = &Transaction{Commit: e.Position.Commit, XID: e.XID}
		v.transactions[tx.Commit] = tx
		if tx.Commit < v.taken {
			v.failures.add("%s/%d@%d: %s is of a transaction that was complete", r.Topic, r.Partition, r.Offset, e.Position)
		}
	}
	if e.Op != change.Tombstone && e.XID != tx.XID {
		v.failures.add("%s/%d@%d: %s is of transaction %d, others at that commit are of %d", r.Topic, r.Partition, r.Offset, e.Position, e.XID, tx.XID)
	}
	// What belongs to no transaction of the source's is not in its log of versions.
	if !r.Snapshot && e.Op != change.Tombstone && (e.Op != change.Message || e.XID != 0) {
		v.partition(place{r.Topic, r.Partition}).sum.add(e.Position)
	}
	tx.Records = append(tx.Records, Row{
		Topic: r.Topic, Partition: r.Partition, Index: e.Position.Index, Op: e.Op,
		Key: string(e.Key), Before: string(e.Before), After: string(e.After), Unchanged: e.Unchanged, Snapshot: r.Snapshot,
	})
}

// Complete returns, in order, the transactions that were committed before the cut and were not returned before. Every
// partition must have been read as far as progress says for that cut.
func (v *Validator) Complete(below change.LSN) []Transaction {
	var out []Transaction
	for _, commit := range slices.Sorted(maps.Keys(v.transactions)) {
		if commit >= below {
			break
		}
		tx := v.transactions[commit]
		delete(v.transactions, commit)
		v.merge(tx)
		out = append(out, *tx)
	}
	v.taken = max(v.taken, below)
	if len(out) > 0 {
		v.counts.Cuts++
		v.counts.Transactions += len(out)
	}
	return out
}

// merge puts a transaction's records in order, lays copies and tombstones to their record, and looks for holes.
func (v *Validator) merge(tx *Transaction) {
	slices.SortStableFunc(tx.Records, func(a, b Row) int { return cmp.Compare(a.Index, b.Index) })
	merged := tx.Records[:0]
	for _, r := range tx.Records {
		n := len(merged)
		switch {
		case n > 0 && merged[n-1].Index == r.Index && r.Op == change.Tombstone:
			merged[n-1].Tombstones++
		case n > 0 && merged[n-1].Index == r.Index:
			if last := merged[n-1]; last.Topic != r.Topic || last.Op != r.Op || last.Key != r.Key || last.Partition == r.Partition {
				v.failures.add("transaction %s: two records have index %d: %c %s %s and %c %s %s", tx.Commit, r.Index, last.Op, last.Topic, last.Key, r.Op, r.Topic, r.Key)
			}
			merged[n-1].Copies++
		default:
			if r.Op == change.Tombstone {
				v.failures.add("transaction %s: the tombstone of index %d has no delete", tx.Commit, r.Index)
			}
			r.Copies = 1
			merged = append(merged, r)
		}
	}
	tx.Records = merged
	for i, r := range merged {
		if r.Index != uint64(i)+1 {
			if !tx.IsSnapshot() { // one that was cut off and begun anew has holes, which the Oracle looks at
				v.failures.add("transaction %s: index %d of %d records is %d", tx.Commit, i+1, len(merged), r.Index)
			}
			return
		}
	}
}
