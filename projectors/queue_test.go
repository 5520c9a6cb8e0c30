package projectors

import (
	"fmt"
	"slices"
	"strconv"
	"testing"

	"pgregory.net/rapid"

	"freshet/ingest/change"
)

func TestBulkIsWhatComesInLargeNumbers(t *testing.T) {
	header := func(key, value string) Record {
		return Record{Headers: []change.Header{{Key: "other"}, {Key: key, Value: []byte(value)}}}
	}
	for what, c := range map[string]struct {
		record Record
		want   bool
	}{
		"first row":    {header(change.HeaderTxIndex, "1"), false},
		"last hot row": {header(change.HeaderTxIndex, strconv.Itoa(HotRows)), false},
		"row after":    {header(change.HeaderTxIndex, strconv.Itoa(HotRows+1)), true},
		"no number":    {header(change.HeaderTxIndex, "x"), false},
		"bulk view":    {header(HeaderLane, LaneBulk), true},
		"unknown lane": {header(HeaderLane, "x"), false},
		"hot view":     {Record{}, false},
	} {
		if c.record.Bulk() != c.want {
			t.Errorf("%s: bulk %v", what, !c.want)
		}
	}
}

// TestQueueHandlesEachOnce: however records come, from ahead too, each is handled once; one topic is handled in its order;
// hot jobs are of hot records of the other; and no turn covers a record that has not begun to be handled.
func TestQueueHandlesEachOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		q := newQueue([]string{"free"})
		q.own("free", 0)
		q.own("ordered", 0)
		var all []Record
		ends := map[string]int64{}
		for range rapid.IntRange(1, 60).Draw(t, "records") {
			r := Record{Topic: rapid.SampledFrom([]string{"free", "ordered"}).Draw(t, "topic")}
			r.Offset, ends[r.Topic] = ends[r.Topic], ends[r.Topic]+1
			if rapid.Bool().Draw(t, "bulk") {
				r.Headers = []change.Header{{Key: HeaderLane, Value: []byte(LaneBulk)}}
			}
			all = append(all, r)
		}
		handled := map[string]int{}
		var ordered []int64
		turns, read, scouted := map[string]int64{}, 0, 0
		take := func(j job, overtaking bool) {
			for _, r := range j.records {
				handled[r.Topic+strconv.FormatInt(r.Offset, 10)]++
				if r.Topic == "ordered" {
					ordered = append(ordered, r.Offset)
				}
				if overtaking && (r.Bulk() || r.Topic != "free") {
					t.Fatalf("%s/%d overtook", r.Topic, r.Offset)
				}
			}
			for _, r := range j.turn {
				if turns[r.Topic] != r.Offset {
					t.Fatalf("the turn of %s/%d after that of %d", r.Topic, r.Offset, turns[r.Topic])
				}
				turns[r.Topic]++
				if handled[r.Topic+strconv.FormatInt(r.Offset, 10)] != 1 {
					t.Fatalf("the turn of %s/%d, which is not handled", r.Topic, r.Offset)
				}
			}
		}
		next := func() {
			most := rapid.IntRange(1, 10).Draw(t, "most")
			if _, hot := q.lanes(); hot && rapid.Bool().Draw(t, "hot first") {
				take(q.overtaking(most), true)
			} else if len(q.ahead) == 0 { // as the worker does it: what came from ahead is begun first
				take(q.inOrder(most), false)
			}
		}
		for range rapid.IntRange(0, 200).Draw(t, "steps") {
			switch rapid.IntRange(0, 3).Draw(t, "what") {
			case 0:
				to := min(len(all), read+rapid.IntRange(1, 5).Draw(t, "n"))
				q.add(all[read:to])
				read = to
			case 1:
				scouted = max(scouted, read)
				to := min(len(all), scouted+rapid.IntRange(1, 9).Draw(t, "n"))
				hot := slices.DeleteFunc(slices.Clone(all[scouted:to]), func(r Record) bool { return r.Bulk() || r.Topic != "free" })
				q.addAhead(hot)
				scouted = to
			default:
				next()
			}
		}
		q.add(all[read:])
		for !q.empty() {
			next()
		}
		if len(handled) != len(all) || !slices.IsSorted(ordered) || q.earlies != 0 {
			t.Fatal(fmt.Sprintf("%d of %d handled, the ordered ones as %v, %d early", len(handled), len(all), ordered, q.earlies))
		}
		for name, n := range handled {
			if n != 1 {
				t.Fatalf("%s was handled %d times", name, n)
			}
		}
	})
}
