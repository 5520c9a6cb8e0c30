package validator

import (
	"fmt"
	"hash/fnv"

	"freshet/ingest/change"
)

// fold is a table made of its changes. Its sum over the hashes of all rows is a fingerprint that costs nothing to keep.
type fold struct {
	table *Table
	rows  map[string]string
	sum   uint64
	// removed is the row that the last record took away: the values that an update of the key did not log are there.
	removed row
}

func newFold(t *Table) *fold { return &fold{table: t, rows: map[string]string{}} }

func hashRow(key, text string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(key + "\x00" + text)) // a hash takes everything
	return h.Sum64()
}

func (f *fold) put(key, text string) {
	f.drop(key)
	f.rows[key] = text
	f.sum += hashRow(key, text)
}

func (f *fold) drop(key string) {
	if old, ok := f.rows[key]; ok {
		f.sum -= hashRow(key, old)
		delete(f.rows, key)
	}
}

func (f *fold) clear() { f.rows, f.sum = map[string]string{}, 0 }

// source applies a change by the source's own log.
func (f *fold) source(c *Change) error {
	switch c.Op {
	case change.Truncate:
		f.clear()
		return nil
	case change.Message: // no row of anything
		return nil
	}
	before, err := parse(c.Old)
	if err != nil {
		return err
	}
	after, err := parse(c.New)
	if err != nil {
		return err
	}
	if before != nil {
		f.drop(f.table.key(before))
	}
	if after != nil {
		f.put(f.table.key(after), after.String())
	}
	return nil
}

// topic applies a record as a consumer does, and returns the row as it is then: values that the log left out are those
// of the row before.
func (f *fold) topic(r *Row) (row, error) {
	removed := f.removed
	f.removed = nil
	switch r.Op {
	case change.Truncate:
		f.clear()
		return nil, nil
	case change.Message:
		return parse([]byte(r.After))
	case change.Delete:
		var err error
		f.removed, err = parse([]byte(f.rows[r.Key]))
		f.drop(r.Key)
		return nil, err
	}
	after, err := parse([]byte(r.After))
	if err != nil {
		return nil, err
	}
	if len(r.Unchanged) > 0 {
		// A create has its values from the row that moved. What stands under its key, if anything, is a row that went while
		// no slot watched, and that no sweep has taken away yet.
		known := removed
		if r.Op != change.Create || known == nil {
			if known, err = parse([]byte(f.rows[r.Key])); err != nil {
				return nil, err
			}
		}
		for _, column := range r.Unchanged {
			value, ok := known[column]
			if !ok {
				return nil, fmt.Errorf("%s %s: column %s is said to be unchanged, and no row before has it", r.Topic, r.Key, column)
			}
			after[column] = value
		}
	}
	f.put(r.Key, after.String())
	return after, nil
}

// takeSnapshot compares the rows of a snapshot with the source as of their place in the order: a row that was read is as the
// source has it there. How many of them there are no rule says; that none is missing, and none deleted that exists, the
// tables show when the snapshot is through: a sweep deletes a row where it was, and reads it again where it is.
func (o *Oracle) takeSnapshot(tx *Transaction) {
	for i := range tx.Records {
		r := &tx.Records[i]
		t := o.topics[r.Topic]
		if t == nil {
			o.extra("snapshot %s: topic %s is not known", tx.Commit, r.Topic)
			continue
		}
		o.unsettled[t.Name] = true
		after, err := o.topic[t.Name].topic(r)
		if err != nil {
			o.wrong("snapshot %s: %v", tx.Commit, err)
			continue
		}
		switch want, exists := o.source[t.Name].rows[r.Key]; {
		case r.Op == change.Read && !exists:
			o.extra("snapshot %s: %s %s does not exist there", tx.Commit, r.Topic, r.Key)
		case r.Op == change.Read && after.String() != want:
			o.wrong("snapshot %s: %s %s is %.300s, want %.300s", tx.Commit, r.Topic, r.Key, after, want)
		}
	}
	o.verified.SnapshotRows += len(tx.Records)
}

// Settle says that no snapshot is under way: every table must be the source's.
func (o *Oracle) Settle() {
	o.deliver()
	for name, ours := range o.topic {
		theirs := o.source[name]
		for key, row := range theirs.rows {
			if got, ok := ours.rows[key]; !ok {
				o.missing("%s %s is missing on the topic", name, key)
			} else if got != row {
				o.wrong("%s %s is %.300s on the topic, want %.300s", name, key, got, row)
			}
		}
		for key := range ours.rows {
			if _, ok := theirs.rows[key]; !ok {
				o.extra("%s %s is on the topic and was deleted", name, key)
			}
		}
	}
	clear(o.unsettled)
}

// Compare holds the topics' table against the rows of the source's: what differs, lacks or is too many.
func (o *Oracle) Compare(table string, images []string) []string {
	t, ours := o.tables[table], o.topic[table]
	var found failures
	seen := map[string]bool{}
	for _, image := range images {
		r, err := parse([]byte(image))
		if err != nil {
			found.add("%s: %v", table, err)
			continue
		}
		key := t.key(r)
		seen[key] = true
		if got, ok := ours.rows[key]; !ok {
			found.add("%s %s is missing on the topic", table, key)
		} else if got != r.String() {
			found.add("%s %s is %.300s on the topic, %.300s in the table", table, key, got, r)
		}
	}
	for key := range ours.rows {
		if !seen[key] {
			found.add("%s %s is on the topic and not in the table", table, key)
		}
	}
	return found
}
