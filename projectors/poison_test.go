package projectors_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/segmentio/kafka-go"

	"freshet/ingest/change"
	"freshet/projectors"
)

// TestPoisonIsParkedAndOthersFlow: every tenth record can't be applied, one of them too large to be parked whole.
func TestPoisonIsParkedAndOthersFlow(t *testing.T) {
	b := newBench(t, map[string]int{"a": 1})
	j := &journal{}
	values := numbers(0, 100)
	values[50] += strings.Repeat("x", 1<<12)
	b.produce("a", 0, values...)
	s := j.stage(b, "s", "a")
	s.New = func(context.Context, int) (projectors.Handler, error) {
		return handle(func(_ context.Context, batch []projectors.Record) error {
			var poison projectors.Poison
			for _, r := range batch {
				if r.Offset%10 == 0 {
					poison.Add(r, fmt.Errorf("%w: offset %d", change.ErrMalformed, r.Offset))
				}
			}
			if err := poison.Err(); err != nil {
				return fmt.Errorf("apply: %w", err)
			}
			j.add(batch)
			return nil
		}), nil
	}
	config := b.config()
	config.MaxRecordBytes = 1 << 12
	r, registry := b.runtime(config)
	stop := b.start(r, s)
	eventually(t, "the healthy records", func() bool { return j.len() == 90 })
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	if got := b.committed("s", "a", 0); got != 100 {
		t.Errorf("committed up to %d, want 100", got)
	}
	letters := b.all(change.DeadLetterTopic(b.prefix))
	if len(letters) != 10 {
		t.Fatalf("%d dead letters, want 10", len(letters))
	}
	for i, l := range letters {
		checkLetter(t, b, l, i*10, values[i*10])
	}
	expected := strings.NewReader(fmt.Sprintf(`# HELP freshet_projector_parked_total Records parked on the dead-letter topic.
# TYPE freshet_projector_parked_total counter
freshet_projector_parked_total{reason="malformed",stage="s",topic="%s"} 10
`, b.topic("a")))
	if err := testutil.GatherAndCompare(registry, expected, "freshet_projector_parked_total"); err != nil {
		t.Error(err)
	}
}

func checkLetter(t *testing.T, b *bench, l projectors.Record, offset int, value string) {
	t.Helper()
	headers := make(map[string]string)
	for _, h := range l.Headers {
		headers[h.Key] = string(h.Value)
	}
	want := map[string]string{
		"own": "h", projectors.HeaderDeadTopic: b.topic("a"), projectors.HeaderDeadPartition: "0",
		projectors.HeaderDeadOffset: fmt.Sprint(offset), projectors.HeaderDeadStage: "s",
		projectors.HeaderDeadReason: fmt.Sprintf("malformed record: offset %d", offset),
	}
	for k, v := range want {
		if headers[k] != v {
			t.Errorf("letter of offset %d: header %s is %q, want %q", offset, k, headers[k], v)
		}
	}
	if headers[projectors.HeaderDeadTime] == "" || string(l.Key) != "k" {
		t.Errorf("letter of offset %d: key %q, time %q", offset, l.Key, headers[projectors.HeaderDeadTime])
	}
	if truncated := headers[projectors.HeaderDeadTruncated] == "true"; truncated != (len(value) >= 1<<12) {
		t.Errorf("letter of offset %d: truncated %v", offset, truncated)
	} else if !truncated && string(l.Value) != value {
		t.Errorf("letter of offset %d: value %q, want %q", offset, l.Value, value)
	}
}

// TestOtherErrorsAreRepeated: the same batch, until it succeeds; nothing is parked, nothing overtakes.
func TestOtherErrorsAreRepeated(t *testing.T) {
	b := newBench(t, map[string]int{"a": 1})
	j := &journal{}
	b.produce("a", 0, numbers(0, 30)...)
	s := j.stage(b, "s", "a")
	s.MaxBatch = 10
	failures := 0
	s.New = func(context.Context, int) (projectors.Handler, error) {
		return handle(func(_ context.Context, batch []projectors.Record) error {
			switch failures++; failures {
			case 2, 3, 4:
				return errors.New("the store is down")
			case 5: // poison that is not in the batch must not be mistaken for progress
				return &projectors.Poison{Records: []projectors.Poisoned{{Record: projectors.Record{Topic: "another"}}}}
			}
			j.add(batch)
			return nil
		}), nil
	}
	r, _ := b.runtime(b.config())
	b.start(r, s)
	eventually(t, "all records", func() bool { return j.len() == 30 })
	if got := j.values(b.topic("a"), 0); !slices.Equal(got, numbers(0, 30)) {
		t.Errorf("got %v", got)
	}
	if letters := b.all(change.DeadLetterTopic(b.prefix)); len(letters) != 0 {
		t.Errorf("%d dead letters", len(letters))
	}
}

// TestOffsetOutOfRangeStopsTheStage: for records deleted before they were read and for a topic that was made anew; another
// stage of the same process goes on.
func TestOffsetOutOfRangeStopsTheStage(t *testing.T) {
	for _, c := range []struct {
		name        string
		committed   int64
		lose        func(b *bench)
		first, next int64
	}{
		{"deleted before read", 5, func(b *bench) { b.deleteRecords("a", 0, 8) }, 8, 20},
		{"made anew", 500, func(*bench) {}, 0, 20},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t, map[string]int{"a": 1, "b": 1})
			b.produce("a", 0, numbers(0, 20)...)
			b.commit("s", "a", 0, c.committed)
			c.lose(b)
			j := &journal{}
			r, registry := b.runtime(b.config())
			stop := b.start(r, j.stage(b, "s", "a"), j.stage(b, "other", "b"))
			eventually(t, "the stage to stop", func() bool {
				return strings.HasPrefix(fmt.Sprint(r.Ready()), "stage s has stopped")
			})
			b.produce("b", 0, "goes on")
			eventually(t, "the other stage", func() bool { return len(j.values(b.topic("b"), 0)) == 1 })
			var gone *projectors.OffsetRangeError
			if err := stop(); !errors.As(err, &gone) {
				t.Fatalf("run returned %v", err)
			}
			want := projectors.OffsetRangeError{Stage: "s", Topic: b.topic("a"), Offset: c.committed, First: c.first, Next: c.next}
			if *gone != want {
				t.Errorf("got %+v, want %+v", *gone, want)
			}
			if len(j.values(b.topic("a"), 0)) != 0 || b.committed("s", "a", 0) != c.committed {
				t.Errorf("the stage went on")
			}
			if n, err := testutil.GatherAndCount(registry, "freshet_projector_offset_out_of_range_total"); err != nil || n != 1 {
				t.Errorf("alarm metric: %d series, %v", n, err)
			}
		})
	}
}

// TestADeletedTopicStopsTheStage: a topic that is deleted while it is read takes with it what was not yet read, and one that
// is made again has other records at the offsets that were.
func TestADeletedTopicStopsTheStage(t *testing.T) {
	b := newBench(t, map[string]int{"a": 1, "b": 1})
	b.produce("a", 0, numbers(0, 20)...)
	config := b.config()
	config.GoneAfter = 300 * time.Millisecond
	j := &journal{}
	r, _ := b.runtime(config)
	stop := b.start(r, j.stage(b, "s", "a"), j.stage(b, "other", "b"))
	eventually(t, "the records", func() bool { return j.len() == 20 })
	answer, err := b.client.DeleteTopics(t.Context(), &kafka.DeleteTopicsRequest{Topics: []string{b.topic("a")}})
	if err != nil || answer.Errors[b.topic("a")] != nil {
		t.Fatal(err, answer)
	}
	eventually(t, "the stage to stop", func() bool { return strings.HasPrefix(fmt.Sprint(r.Ready()), "stage s has stopped") })
	b.produce("b", 0, "goes on")
	eventually(t, "the other stage", func() bool { return len(j.values(b.topic("b"), 0)) == 1 })
	var gone *projectors.OffsetRangeError
	if err := stop(); !errors.As(err, &gone) || !gone.Deleted || gone.Topic != b.topic("a") || gone.Offset != 20 {
		t.Errorf("run returned %v", err)
	}
}

// TestRefusedTopics: layouts under which records would be lost or meet the wrong worker.
func TestRefusedTopics(t *testing.T) {
	b := newBench(t, map[string]int{"two": 2, "three": 3, "one": 1})
	b.create(map[string]int{b.topic("compacted"): 1}, compacted)
	j := &journal{}
	for _, c := range []struct {
		topics []string
		want   string
	}{
		{[]string{"two", "three"}, "equal counts"},
		{[]string{"one", "compacted"}, "is compacted"},
	} {
		r, _ := b.runtime(b.config())
		err := r.Run(t.Context(), j.stage(b, "s", c.topics...))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("topics %v: %v", c.topics, err)
		}
	}
}

// TestWaitsForTopics: the runtime may be started before ingest has made them.
func TestWaitsForTopics(t *testing.T) {
	b := newBench(t, nil)
	j := &journal{}
	r, _ := b.runtime(b.config())
	b.start(r, j.stage(b, "s", "late"))
	b.create(map[string]int{b.topic("late"): 2}, nil)
	b.produce("late", 1, "x")
	eventually(t, "the record", func() bool { return j.len() == 1 })
}
