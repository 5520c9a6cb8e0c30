package progress

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"freshet/ingest/change"
)

const modelTopic, modelOutputs = "out", 3

// partition is one partition of a stage in the model: what it has really published, and what it said last.
type partition struct {
	stage     string
	number    int
	of        int
	lsn       change.LSN
	published []published
	said      []int64
	announced change.LSN
}

type published struct {
	lsn    change.LSN
	output int
	offset int64
}

// world publishes into shared outputs and announces, as the stages do.
type world struct {
	partitions []*partition
	ends       []int64 // true next offset of each output
	log        []change.Progress
}

func newWorld(t *rapid.T) *world {
	w := &world{ends: make([]int64, modelOutputs)}
	for s := range rapid.IntRange(1, 3).Draw(t, "stages") {
		n := rapid.IntRange(1, 3).Draw(t, "partitions")
		for p := range n {
			w.partitions = append(w.partitions, &partition{stage: fmt.Sprint("stage", s), number: p, of: n})
		}
	}
	return w
}

func (w *world) step(t *rapid.T) {
	p := rapid.SampledFrom(w.partitions).Draw(t, "partition")
	p.lsn += change.LSN(rapid.IntRange(0, 3).Draw(t, "advance"))
	for range rapid.IntRange(0, 2).Draw(t, "records") {
		j := rapid.IntRange(0, modelOutputs-1).Draw(t, "output")
		p.published = append(p.published, published{p.lsn, j, w.ends[j]})
		w.ends[j]++
	}
	p.lsn++ // what follows is of later transactions
	if rapid.Bool().Draw(t, "announce") {
		w.announce(p, rapid.IntRange(0, 3).Draw(t, "full") == 0)
	}
}

// announce says what the partition has reached; a new owner begins with a full record, as a restart does here.
func (w *world) announce(p *partition, full bool) {
	full = full || p.said == nil
	ends := slices.Repeat([]int64{-1}, modelOutputs)
	for j := range ends {
		if full || p.said[j] != w.ends[j] {
			ends[j] = w.ends[j]
		}
	}
	p.said = slices.Clone(w.ends)
	p.announced = p.lsn - 1
	w.log = append(w.log, change.Progress{
		Stage: p.stage, Partition: p.number, Partitions: p.of, LSN: p.announced, Full: full, Ends: map[string][]int64{modelTopic: ends},
	})
}

func (w *world) stages() []string {
	names := make(map[string]bool)
	for _, p := range w.partitions {
		names[p.stage] = true
	}
	return slices.Sorted(maps.Keys(names))
}

// check holds a cut against what really happened: whoever has read up to its ends has everything up to its LSN.
func (w *world) check(t *rapid.T, cut Cut) {
	for _, p := range w.partitions {
		for _, r := range p.published {
			if r.lsn <= cut.LSN && r.offset >= cut.Ends[modelTopic][r.output] {
				t.Fatalf("cut %s ends output %d at %d, but %s/%d published offset %d for %s",
					cut.LSN, r.output, cut.Ends[modelTopic][r.output], p.stage, p.number, r.offset, r.lsn)
			}
		}
	}
}

// TestCutsCoverWhatWasPublished: for every way to interleave the stages, to repeat records, and every point to begin
// listening at, no cut leaves a record out; once all have named their ends, the cut is the least of their LSNs.
func TestCutsCoverWhatWasPublished(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t)
		b := newBoard()
		from := rapid.IntRange(0, 20).Draw(t, "begin at record")
		var last change.LSN
		heard := 0
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			w.step(t)
			for ; heard < len(w.log); heard++ {
				if heard < from {
					continue
				}
				apply(t, b, w.log[heard])
				if rapid.IntRange(0, 4).Draw(t, "repeat") == 0 {
					back := rapid.IntRange(from, heard).Draw(t, "back to")
					for _, p := range w.log[back : heard+1] {
						apply(t, b, p)
					}
				}
			}
			if cut, ok := b.cut(w.stages(), []string{modelTopic}); ok {
				w.check(t, cut)
				if cut.LSN < last {
					t.Fatalf("the cut went back from %s to %s", last, cut.LSN)
				}
				last = cut.LSN
			}
		}
		for _, p := range w.partitions {
			w.announce(p, true)
			apply(t, b, w.log[len(w.log)-1])
		}
		w.complete(t, b)
	})
}

func apply(t *rapid.T, b *board, p change.Progress) {
	if _, err := b.apply(p); err != nil {
		t.Fatal(err)
	}
}

func (w *world) complete(t *rapid.T, b *board) {
	lowest := w.partitions[0].announced
	for _, p := range w.partitions {
		lowest = min(lowest, p.announced)
	}
	cut, ok := b.cut(w.stages(), []string{modelTopic})
	if !ok || cut.LSN != lowest || !slices.Equal(cut.Ends[modelTopic], w.ends) {
		t.Fatalf("cut %+v, %v, want %s with %v", cut, ok, lowest, w.ends)
	}
	w.check(t, cut)
	if mark, ok := b.lowest(w.stages()); !ok || mark.LSN != lowest {
		t.Fatalf("watermark %+v, %v, want %s", mark, ok, lowest)
	}
}

func TestNothingIsClaimedTooEarly(t *testing.T) {
	b := newBoard()
	full := func(partition int, lsn change.LSN) change.Progress {
		return change.Progress{
			Stage: "s", Partition: partition, Partitions: 2, LSN: lsn, Time: time.UnixMilli(int64(lsn)), Full: true,
			Ends: map[string][]int64{"a": {1, 2}, "b": {3}},
		}
	}
	claims := func(want change.LSN) {
		t.Helper()
		if cut, ok := b.cut([]string{"s"}, []string{"a"}); ok != (want != 0) || cut.LSN != want {
			t.Errorf("cut %+v, %v, want %s", cut, ok, want)
		}
	}
	apply := func(p change.Progress) {
		t.Helper()
		if _, err := b.apply(p); err != nil {
			t.Error(err)
		}
	}
	claims(0)
	apply(full(0, 10))
	claims(0) // partition 1 was never heard
	delta := full(1, 20)
	delta.Full = false
	apply(delta)
	claims(0) // its ends may be incomplete
	if w, ok := b.watermark("s"); !ok || w.LSN != 10 || !w.Time.Equal(time.UnixMilli(10)) {
		t.Errorf("watermark %+v, %v: it needs no ends", w, ok)
	}
	apply(full(1, 30))
	claims(10)
	b.forget()
	claims(0)
	apply(full(0, 40))
	apply(full(1, 41))
	claims(40)
	if _, ok := b.cut([]string{"s", "unknown"}, nil); ok {
		t.Error("a cut without one of its stages")
	}
}

func TestMalformedProgressIsRefused(t *testing.T) {
	for _, p := range []change.Progress{
		{}, {Stage: "s", Partition: -1}, {Stage: "s", Partition: 1}, {Stage: "s", Partition: 4, Partitions: 4}, {Stage: "s", Partitions: maxPartitions + 1},
	} {
		if moved, err := newBoard().apply(p); err == nil || moved {
			t.Errorf("%+v was taken", p)
		}
	}
}

// TestAWatermarkNeverGoesBack: not even where no record has told a time yet, and the last owner's arrives before the one before it.
func TestAWatermarkNeverGoesBack(t *testing.T) {
	at := time.Unix(1, 0)
	b := newBoard()
	for _, step := range []struct {
		p    change.Progress
		want Watermark
	}{
		{change.Progress{LSN: 2}, Watermark{LSN: 2}},
		{change.Progress{LSN: 1}, Watermark{LSN: 2}},
		{change.Progress{LSN: 1, Time: at}, Watermark{LSN: 2}},
		{change.Progress{LSN: 2, Time: at}, Watermark{LSN: 2, Time: at}},
		{change.Progress{LSN: 2, Time: at.Add(1)}, Watermark{LSN: 2, Time: at}},
		{change.Progress{LSN: 3}, Watermark{LSN: 3}},
	} {
		step.p.Stage, step.p.Full = "s", true
		if _, err := b.apply(step.p); err != nil {
			t.Fatal(err)
		}
		if got, ok := b.watermark("s"); !ok || got != step.want {
			t.Errorf("after %s of %s it is %+v, %t, want %+v", step.p.LSN, step.p.Time, got, ok, step.want)
		}
	}
}
