package validator_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"

	"freshet/ingest/change"
	"freshet/ingest/validator"
)

// TestAnyDeliveryIsRight delivers random histories the way a process does that is killed again and again: from a stored
// position on, as far as it comes. One record left out, of any of them, is found.
func TestAnyDeliveryIsRight(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
		commits := randomCommits(rng, 20)
		drop := -1
		if rapid.Bool().Draw(t, "drop") {
			drop = rng.IntN(len(commits))
		}
		s := deliver(rng, commits, drop)
		if got := check(s); (drop < 0) != (len(got) == 0) {
			t.Fatalf("transaction %d left out: found %q", drop, got)
		}
	})
}

func randomCommits(rng *rand.Rand, n int) (out []validator.Commit) {
	rows := map[int]string{}
	for c := range n {
		commit := validator.Commit{LSN: change.LSN(100 * (c + 1)), XID: uint32(c + 1)}
		for range 1 + rng.IntN(4) {
			id, ch := rng.IntN(4), validator.Change{Table: prices.Name, Op: change.Create}
			old := rows[id]
			if old != "" {
				ch.Op, ch.Old = change.Update, []byte(old)
			}
			if old != "" && rng.IntN(4) == 0 {
				ch.Op = change.Delete
				delete(rows, id)
			} else {
				rows[id] = row(id, 1+rng.IntN(9), rng.IntN(1000))
				ch.New = []byte(rows[id])
			}
			commit.Changes = append(commit.Changes, ch)
		}
		out = append(out, commit)
	}
	return out
}

// deliver writes what ingest would write for the commits, with kills; drop is a commit that never gets there.
func deliver(rng *rand.Rand, commits []validator.Commit, drop int) story {
	s := story{commits: commits}
	ends := []int64{0, 0}
	for stored := 0; stored < len(commits); {
		reach := stored + 1 + rng.IntN(len(commits)-stored)
		for i := stored; i < reach; i++ {
			if i == drop {
				continue
			}
			for _, r := range recordsOf(commits[i]) {
				r.Offset = ends[r.Partition]
				ends[r.Partition]++
				s.steps = append(s.steps, r)
			}
		}
		if reach == len(commits) {
			stored = reach
		} else {
			stored += rng.IntN(reach - stored)
		}
	}
	s.steps = append(s.steps, progress(int(commits[len(commits)-1].LSN)+1, ends...))
	return s
}

// recordsOf writes a commit as ingest does.
func recordsOf(c validator.Commit) (out []validator.Record) {
	index := 0
	put := func(op change.Op, before, after []byte) {
		image := after
		if op == change.Delete {
			image = before
		}
		var id, product, v int
		if _, err := fmt.Sscanf(string(image), `{"id":%d,"product_id":%d,"v":%d}`, &id, &product, &v); err != nil {
			panic(err)
		}
		partition := change.Partition(fmt.Append(nil, product), 2)
		index++
		out = append(out, record(partition, 0, int(c.LSN), index, op, id, string(before), string(after)))
		if op == change.Delete {
			out = append(out, record(partition, 0, int(c.LSN), index, change.Tombstone, id, "", ""))
		}
		for i := range out {
			if out[i].Event.Op != change.Tombstone {
				out[i].Event.XID = c.XID
			}
		}
	}
	for _, ch := range c.Changes {
		var a, b, oldProduct, newProduct int
		_, _ = fmt.Sscanf(string(ch.Old), `{"id":%d,"product_id":%d,"v":%d}`, &a, &oldProduct, &b) // empty for a create
		_, _ = fmt.Sscanf(string(ch.New), `{"id":%d,"product_id":%d,"v":%d}`, &a, &newProduct, &b) // empty for a delete
		moves := oldProduct != newProduct
		switch {
		case ch.Op == change.Update && moves:
			put(change.Delete, ch.Old, nil)
			put(change.Create, nil, ch.New)
		case ch.Op == change.Update:
			put(change.Update, nil, ch.New)
		default:
			put(ch.Op, ch.Old, ch.New)
		}
	}
	return out
}
