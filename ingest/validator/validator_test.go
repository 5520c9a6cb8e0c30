package validator_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"freshet/ingest/change"
	"freshet/ingest/validator"
)

var prices = validator.Table{
	Name: "public.prices", Topic: "t.public.prices", Partitions: 2, Key: []string{"id"}, Routing: "product_id", Identity: []string{"id", "product_id"},
}

// The routing values of partition 0 and 1.
var products = func() (of [2]int) {
	for n := 1; of[0] == 0 || of[1] == 0; n++ {
		of[change.Partition(fmt.Append(nil, n), 2)] = n
	}
	return of
}()

// story is a history as it lies on the topics and as the source noted it, in the order in which a consumer reads it.
type story struct {
	steps   []any // validator.Record or change.Progress
	commits []validator.Commit
	slots   int
}

func row(id, product, v int) string {
	return fmt.Sprintf(`{"id":%d,"product_id":%d,"v":%d}`, id, product, v)
}

func record(partition int, offset, commit, index int, op change.Op, id int, before, after string) validator.Record {
	e := change.Event{
		Position: change.Position{Commit: change.LSN(commit), Index: uint64(index)}, Op: op, Table: prices.Name, XID: uint32(commit),
		Key: fmt.Appendf(nil, `{"id":%d}`, id), Before: []byte(before), After: []byte(after),
	}
	if op == change.Tombstone {
		e.XID = 0
	}
	return validator.Record{Topic: prices.Topic, Partition: partition, Offset: int64(offset), Event: e}
}

func progress(lsn int, ends ...int64) change.Progress {
	return change.Progress{Stage: "ingest", LSN: change.LSN(lsn), Ends: map[string][]int64{prices.Topic: ends}}
}

// good is three transactions: row 1 in partition 0; row 2 in partition 1 beside a change of row 1; row 1 deleted.
func good() story {
	a, b := products[0], products[1]
	return story{
		steps: []any{
			record(0, 0, 100, 1, change.Create, 1, "", row(1, a, 1)),
			progress(101, 1, 0),
			record(1, 0, 200, 1, change.Create, 2, "", row(2, b, 1)),
			record(0, 1, 200, 2, change.Update, 1, "", row(1, a, 2)),
			progress(201, 2, 1),
			record(0, 2, 300, 1, change.Delete, 1, row(1, a, 0), ""),
			record(0, 3, 300, 1, change.Tombstone, 1, "", ""),
			progress(301, 4, -1),
		},
		commits: []validator.Commit{
			{LSN: 100, XID: 100, Changes: []validator.Change{{Table: prices.Name, Op: change.Create, New: []byte(row(1, a, 1))}}},
			{LSN: 200, XID: 200, Changes: []validator.Change{
				{Table: prices.Name, Op: change.Create, New: []byte(row(2, b, 1))},
				{Table: prices.Name, Op: change.Update, Old: []byte(row(1, a, 1)), New: []byte(row(1, a, 2))},
			}},
			{LSN: 300, XID: 300, Changes: []validator.Change{{Table: prices.Name, Op: change.Delete, Old: []byte(row(1, a, 2))}}},
		},
	}
}

// check feeds a story to a Validator and an Oracle and returns what they found.
func check(s story) []string {
	v := validator.New(map[string]validator.Table{prices.Topic: prices})
	o := validator.NewOracle(prices)
	for _, step := range s.steps {
		switch step := step.(type) {
		case validator.Record:
			v.Record(step)
		case change.Progress:
			v.Progress(step)
		}
	}
	for range s.slots {
		o.NewSlot()
	}
	o.Verify(v.Complete(v.Cut()), s.commits)
	v.Finish()
	o.Settle()
	o.CompareChecksums(v)
	return slices.Concat(v.Failures(), o.Failures())
}

// edit returns a change of the good story: steps from i to j are replaced.
func edit(i, j int, steps ...any) func(*story) {
	return func(s *story) { s.steps = slices.Concat(s.steps[:i], steps, s.steps[j:]) }
}

// again is a record of the story that is delivered once more at an offset.
func again(step, offset int) validator.Record {
	r := recordOf(good(), step)
	r.Offset = int64(offset)
	return r
}

func recordOf(s story, step int) validator.Record {
	r, ok := s.steps[step].(validator.Record)
	if !ok {
		panic(fmt.Sprintf("step %d is no record", step))
	}
	return r
}

func TestRightHistories(t *testing.T) {
	for name, change := range map[string]func(*story){
		"each once":                  func(*story) {},
		"the last transaction twice": edit(8, 8, again(5, 4), again(6, 5)),
		"all twice, the second time cut off and begun anew": edit(8, 8,
			again(0, 4), again(3, 5), again(0, 6), again(3, 7), again(5, 8), again(6, 9)),
		"the tombstone twice":                       edit(7, 8, again(6, 4), progress(301, 5, 1)),
		"repeated from the middle of a transaction": edit(5, 8, again(3, 2), again(5, 3), again(6, 4), progress(301, 5, 1)),
		"progress repeated":                         edit(5, 5, good().steps[4]),
	} {
		t.Run(name, func(t *testing.T) {
			s := good()
			change(&s)
			for _, failure := range check(s) {
				t.Error(failure)
			}
		})
	}
}

// TestWrongHistories breaks the good story in every way that a rule forbids.
func TestWrongHistories(t *testing.T) {
	a, b := products[0], products[1]
	with := func(step int, f func(*validator.Record)) func(*story) {
		return func(s *story) {
			r := recordOf(*s, step)
			f(&r)
			s.steps[step] = r
		}
	}
	tests := map[string]struct {
		spoil func(*story)
		want  string
	}{
		"a row in the wrong partition": {
			with(2, func(r *validator.Record) { r.Event.After = []byte(row(2, a, 1)) }), "belongs to partition 0",
		},
		"new below what was seen": {
			edit(8, 8, record(0, 4, 250, 1, change.Create, 9, "", row(9, a, 1))), "is new and stands before",
		},
		"repeated with another value": {
			edit(8, 8, record(0, 4, 300, 1, change.Delete, 1, row(1, a, 7), ""), again(6, 5)), "came again and differs",
		},
		"new below a cut": {
			edit(8, 8, record(1, 1, 250, 1, change.Create, 9, "", row(9, b, 1))), "is new below the announced cut",
		},
		"a cut announced too early": {
			edit(4, 5, progress(301, 2, 1)), "is new below the announced cut",
		},
		"a cut that what was read contradicts": {
			edit(7, 8, progress(301, 2, 1)), "first appears behind offset 2",
		},
		"progress goes back":                    {edit(7, 7, progress(150, 2, 1)), "goes back from 0/C9 to 0/96"},
		"an end goes back":                      {edit(7, 7, progress(202, 1, 1)), "goes back from offset 2 to 1"},
		"a repetition with a hole":              {edit(8, 8, again(0, 4), again(5, 5), again(6, 6)), "the repetition leaps"},
		"a repetition that is not finished":     {edit(8, 8, again(0, 4), again(3, 5)), "never came to"},
		"new before the repetition is finished": {edit(8, 8, again(0, 4), record(0, 5, 400, 1, change.Create, 9, "", row(9, a, 1))), "never reached"},
		"a hole in the offsets":                 {with(5, func(r *validator.Record) { r.Offset = 7 }), "offset 7 follows 1"},
		"a transaction with a hole":             {edit(2, 3), "index 1 of 1 records is 2"},
		"a record that is lost with its index":  {edit(3, 4), "offset 2 follows 0"},
		"two records of one index":              {with(3, func(r *validator.Record) { r.Event.Position.Index = 1 }), "two records have index 1"},
		"a delete without its tombstone":        {edit(6, 7), "with 0 tombstones"},
		"a tombstone without its delete":        {edit(5, 6), "has no delete"},
		"one of two transactions' xid":          {with(3, func(r *validator.Record) { r.Event.XID = 7 }), "others at that commit are of 200"},
		"a transaction that is missing": {func(s *story) {
			s.commits = append(s.commits, validator.Commit{LSN: 300 - 1, XID: 5, Changes: s.commits[0].Changes})
		}, "is missing"},
		"a transaction that was never committed": {func(s *story) { s.commits = s.commits[:2] }, "was never committed"},
		"a wrong value":                          {with(3, func(r *validator.Record) { r.Event.After = []byte(row(1, a, 9)) }), "want {"},
		"a wrong old value":                      {with(5, func(r *validator.Record) { r.Event.Before = []byte(row(3, a, 0)) }), "before of"},
		"a wrong operation":                      {with(3, func(r *validator.Record) { r.Event.Op = change.Create }), "want u"},
		"another xid than the source's":          {func(s *story) { s.commits[2].XID = 1 }, "the source says 1"},
		"unchanged and never known": {
			with(0, func(r *validator.Record) { r.Event.Unchanged = []string{"v"} }), "no row before has it",
		},
		"a lost update that a later one hides": {
			func(s *story) {
				s.steps = slices.Concat(s.steps[:3], []any{progress(201, 1, 1), again(5, 1), again(6, 2), progress(301, 3, 1)})
			}, "0/C8:2: u t.public.prices",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s := good()
			test.spoil(&s)
			slices.SortFunc(s.commits, func(a, b validator.Commit) int { return int(a.LSN) - int(b.LSN) })
			got := check(s)
			if !slices.ContainsFunc(got, func(f string) bool { return strings.Contains(f, test.want) }) {
				t.Errorf("not found: %q; found %q", test.want, got)
			}
		})
	}
}

func TestSnapshots(t *testing.T) {
	a, b := products[0], products[1]
	// Two transactions were committed before the slot was made; a third is streamed behind the snapshot.
	snapshot := func(slots int, rows ...validator.Record) story {
		s := story{commits: good().commits[:2], slots: slots}
		ends := []int64{0, 0}
		for i := range rows {
			rows[i].Snapshot, rows[i].Event.XID = true, 0
			rows[i].Event.Position = change.Position{Commit: 249, Index: uint64(i) + 1}
			rows[i].Offset = ends[rows[i].Partition]
			ends[rows[i].Partition]++
			s.steps = append(s.steps, rows[i])
		}
		r := record(1, int(ends[1]), 400, 1, change.Create, 5, "", row(5, b, 1))
		s.steps = append(s.steps, r, progress(401, ends[0], ends[1]+1))
		s.commits = append(s.commits, validator.Commit{LSN: 400, XID: 400, Changes: []validator.Change{{Table: prices.Name, Op: change.Create, New: []byte(row(5, b, 1))}}})
		return s
	}
	read := func(partition, id, product, v int) validator.Record {
		return record(partition, 0, 0, 0, change.Read, id, "", row(id, product, v))
	}
	gone := record(0, 0, 0, 0, change.Delete, 1, row(1, a, 2), "")
	for name, test := range map[string]struct {
		story story
		want  string
	}{
		"whole":                       {snapshot(1, read(0, 1, a, 2), read(1, 2, b, 1)), ""},
		"without the slot being new":  {snapshot(0, read(0, 1, a, 2), read(1, 2, b, 1)), "transaction 0/64 (xid 100) of 1 changes is missing"},
		"a row missing":               {snapshot(1, read(0, 1, a, 2)), `public.prices {"id":2} is missing`},
		"a row too old":               {snapshot(1, read(1, 2, b, 1), read(0, 1, a, 1)), "want {"},
		"a row too many":              {snapshot(1, read(0, 1, a, 2), read(1, 2, b, 1), read(0, 3, a, 1)), "does not exist there"},
		"a sweep of a row that is":    {snapshot(1, read(0, 1, a, 2), read(1, 2, b, 1), gone), `public.prices {"id":1} is missing`},
		"a row of before that stayed": {snapshot(1, read(0, 1, a, 2), read(1, 2, b, 1), read(0, 9, a, 1)), "was deleted"},
	} {
		t.Run(name, func(t *testing.T) {
			got := strings.Join(check(test.story), "\n")
			if test.want == "" && got != "" || !strings.Contains(got, test.want) {
				t.Errorf("want %q, found %s", test.want, got)
			}
		})
	}
}

// TestSnapshotRowsNeedNotComeAgain repeats the stream around rows of a snapshot that are read anew instead.
func TestSnapshotRowsNeedNotComeAgain(t *testing.T) {
	s := good()
	r := record(0, 2, 250, 1, change.Read, 1, "", row(1, products[0], 2))
	r.Snapshot, r.Event.XID = true, 0
	s.steps = []any{s.steps[0], s.steps[2], s.steps[3], r, again(3, 3), again(5, 4), again(6, 5), progress(301, 6, 1)}
	for _, failure := range check(s) {
		t.Error(failure)
	}
}

func TestCounts(t *testing.T) {
	v := validator.New(map[string]validator.Table{prices.Topic: prices})
	least := validator.Counts{Records: 5, Transactions: 1, Cuts: 1, Repeated: 1, Ops: map[change.Op]int{change.Update: 1}}
	if got := v.Counts().Below(least); len(got) != 5 {
		t.Errorf("an empty history falls short of %q", got)
	}
	for _, step := range good().steps {
		if r, ok := step.(validator.Record); ok {
			v.Record(r)
		}
	}
	v.Record(again(6, 4))
	v.Complete(1000)
	if got := v.Counts().Below(least); len(got) != 0 {
		t.Errorf("the good history falls short of %q", got)
	}
}
