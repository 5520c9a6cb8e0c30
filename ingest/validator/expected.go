package validator

import (
	"fmt"

	"freshet/ingest/change"
)

// expected is one record that a change must have led to.
type expected struct {
	table         *Table
	op            change.Op
	key           string
	before, after row
	partition     int // -1 for all of them
}

func (e *expected) copies() int {
	if e.partition < 0 {
		return e.table.Partitions
	}
	return 1
}

// expand turns a commit into the records that it must have led to.
func (o *Oracle) expand(c *Commit) ([]expected, error) {
	var out []expected
	for _, ch := range c.Changes {
		t := o.tables[ch.Table]
		if t == nil {
			return nil, fmt.Errorf("table %s is not known", ch.Table)
		}
		before, err := parse(ch.Old)
		if err != nil {
			return nil, err
		}
		after, err := parse(ch.New)
		if err != nil {
			return nil, err
		}
		out = append(out, t.expand(ch.Op, before, after)...)
	}
	return out, nil
}

// expand splits a change of the key or of the routing column into its two halves.
func (t *Table) expand(op change.Op, before, after row) []expected {
	create := func(op change.Op) expected {
		return expected{table: t, op: op, key: t.key(after), before: nil, after: after, partition: t.place(after)}
	}
	remove := expected{table: t, op: change.Delete, before: before, partition: -1}
	if before != nil {
		remove.key = t.key(before)
		if t.identifies(t.Routing) || t.Partitions == 1 {
			remove.partition = t.place(before)
		}
	}
	switch op {
	case change.Create, change.Message:
		return []expected{create(op)}
	case change.Delete:
		return []expected{remove}
	case change.Update:
		moved := t.identifies(t.Routing) && fmt.Sprint(before[t.Routing]) != fmt.Sprint(after[t.Routing])
		if moved || remove.key != t.key(after) {
			return []expected{remove, create(change.Create)}
		}
		update := create(op)
		update.before = before
		return []expected{update}
	default:
		partition := -1
		if t.Partitions == 1 {
			partition = 0
		}
		return []expected{{table: t, op: op, partition: partition}}
	}
}

// place is the partition of a row by its routing value.
func (t *Table) place(r row) int {
	return change.Partition(fmt.Append(nil, r[t.Routing]), t.Partitions)
}
