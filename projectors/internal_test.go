package projectors

import (
	"errors"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"pgregory.net/rapid"

	"freshet/deploy/stack/stacktest"
	"freshet/ingest/broker"
	"freshet/ingest/change"
	"freshet/ingest/topic"
	"freshet/projectors/progress"
)

// TestLedgerPassesWhatIsFinished: a cut is taken only when all topics have reached its ends, taken cuts never go back, and
// the newest is taken once everything is finished, however many were pending.
func TestLedgerPassesWhatIsFinished(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		topics := []string{"a", "b"}
		l := newLedger(1, nil)
		for _, topic := range topics {
			l.own(topic, 0)
		}
		ends := map[string]int64{}
		lsn, last := change.LSN(0), change.LSN(0)
		offered := map[change.LSN]map[string]int64{}
		take := func() {
			cut, ok := l.take()
			if !ok {
				return
			}
			for topic, end := range offered[cut.LSN] {
				if l.next[topic] < end {
					t.Fatalf("cut %s asks for %s up to %d, finished up to %d", cut.LSN, topic, end, l.next[topic])
				}
			}
			if cut.LSN < last {
				t.Fatalf("back from %s to %s", last, cut.LSN)
			}
			last = cut.LSN
		}
		for range rapid.IntRange(1, 300).Draw(t, "steps") {
			topic := rapid.SampledFrom(topics).Draw(t, "topic")
			if rapid.IntRange(0, 3).Draw(t, "what") == 0 {
				if l.next[topic] < ends[topic] {
					l.finish([]Record{{Topic: topic, Offset: l.next[topic]}})
				}
			} else {
				lsn++
				ends[topic] += int64(rapid.IntRange(0, 2).Draw(t, "grows"))
				offered[lsn] = map[string]int64{"a": ends["a"], "b": ends["b"]}
				l.offer(progress.Cut{LSN: lsn, Ends: map[string][]int64{"a": {99999, ends["a"]}, "b": {99999, ends["b"]}, "not ours": {9, 9}}})
			}
			take()
			if len(l.pending) > maxPending {
				t.Fatalf("%d cuts pending", len(l.pending))
			}
		}
		for _, topic := range topics {
			if ends[topic] > l.next[topic] {
				l.finish([]Record{{Topic: topic, Offset: ends[topic] - 1}})
			}
		}
		take()
		if last != lsn {
			t.Fatalf("all is finished, and %s of %s was taken", last, lsn)
		}
	})
}

// TestLedgerWaitsForItsOwnTopic: ends of a topic that is no more are never reached, however far the one made again grows, and hold
// nothing up behind them.
func TestLedgerWaitsForItsOwnTopic(t *testing.T) {
	l := newLedger(0, map[string]string{"in": "new"})
	l.own("in", 0)
	cut := func(lsn change.LSN, id string, end int64) progress.Cut {
		return progress.Cut{LSN: lsn, Ends: map[string][]int64{"in": {end}}, IDs: map[string]string{"in": id}}
	}
	passes := func(want change.LSN) {
		t.Helper()
		if cut, ok := l.take(); ok != (want != 0) || cut.LSN != want {
			t.Errorf("passed %s, %t, want %s", cut.LSN, ok, want)
		}
	}
	l.offer(cut(10, "old", 5))
	l.finish([]Record{{Topic: "in", Offset: 6}})
	passes(0)
	l.offer(cut(10, "new", 9)) // announced again, by one who knows
	passes(0)
	l.offer(cut(11, "old", 2))
	l.offer(cut(12, "new", 7))
	passes(12)
	l.offer(cut(13, "old", 0))
	passes(0)
	l.offer(cut(14, "", 7)) // the old form
	passes(14)
}

// TestATopicIsAnotherThanItWas: a stage that has read of the old one stops, one that has not begins with the new one, and one that is
// told of another by mistake goes on.
func TestATopicIsAnotherThanItWas(t *testing.T) {
	brokers, prefix := stacktest.Kafka(t)
	name := prefix + ".in"
	if err := topic.Ensure(t.Context(), broker.Cluster{Addresses: brokers}, []topic.Spec{{Name: name, Partitions: 1, Retention: time.Hour}}); err != nil {
		t.Fatal(err)
	}
	r, err := NewRuntime(Config{Brokers: brokers, Prefix: prefix}, slog.New(slog.NewTextHandler(t.Output(), nil)), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.transport.CloseIdleConnections)
	ids, err := topic.IDs(t.Context(), r.client, name)
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		began string // id of the topic when the generation began
		at    int64
		said  string // id that others speak of
		found bool
		fatal bool
	}{
		"nothing is said":    {ids[name], 3, "", false, false},
		"the same is said":   {ids[name], 3, ids[name], false, false},
		"a stale word":       {ids[name], 3, "another", false, false},
		"nothing was read":   {"old", 0, ids[name], true, false},
		"some of it was":     {"old", 3, ids[name], true, true},
		"both words are old": {"old", 3, "old", false, false},
	}
	for what, test := range tests {
		t.Run(what, func(t *testing.T) {
			g := newGeneration(r, &Stage{Name: "s", Topics: []string{name}}, nil, r.logger)
			g.ids = map[string]string{name: test.began}
			w := newWorker(g, 0)
			w.own(name, test.at)
			g.workers = []*worker{w}
			again := remade{generation: g}
			found := again.found(t.Context(), progress.Cut{IDs: map[string]string{name: test.said}})
			var gone *OffsetRangeError
			if fatal := errors.As(g.fatal, &gone); found != test.found || fatal != test.fatal || (fatal && !gone.Remade) {
				t.Errorf("found %t, fatal %v", found, g.fatal)
			}
		})
	}
}

// TestDeltasAddUp: whoever merges the announcer's records knows at each LSN at least the ends that were handed over.
func TestDeltasAddUp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := newAnnouncer(nil, "progress", 0)
		now := time.Unix(1e9, 0)
		ends, known := []int64{0, 0, 0}, []int64{-1, -1, -1}
		for lsn := range change.LSN(rapid.IntRange(1, 30).Draw(t, "records")) {
			ends[rapid.IntRange(0, 2).Draw(t, "output")] += int64(rapid.IntRange(0, 3).Draw(t, "grows"))
			a.put(change.Progress{Stage: "s", LSN: lsn + 1, Ends: map[string][]int64{"out": slices.Clone(ends)}})
			now = now.Add(time.Duration(rapid.IntRange(0, 1200).Draw(t, "ms")) * time.Millisecond)
			if rapid.IntRange(0, 5).Draw(t, "forget") == 0 {
				a.forget("s", 0)
			}
			batch, _ := a.batch(now)
			if len(batch) != 1 || batch[0].LSN != lsn+1 {
				t.Fatalf("batch %+v", batch)
			}
			for i, end := range batch[0].Ends["out"] {
				known[i] = max(known[i], end)
			}
			if batch[0].Full && !slices.Equal(batch[0].Ends["out"], ends) || !slices.Equal(known, ends) {
				t.Fatalf("known %v, want %v, from %+v", known, ends, batch[0])
			}
		}
	})
}

func TestAnnouncerKeepsItsInterval(t *testing.T) {
	a := newAnnouncer(nil, "progress", 15*time.Millisecond)
	now := time.Unix(1e9, 0)
	a.put(change.Progress{Stage: "s", LSN: 1})
	if batch, next := a.batch(now); len(batch) != 1 || next != 0 {
		t.Fatalf("%v, %s", batch, next)
	}
	a.put(change.Progress{Stage: "s", LSN: 2})
	a.put(change.Progress{Stage: "s", LSN: 1}) // late, and already said
	a.put(change.Progress{Stage: "other", LSN: 5})
	if batch, next := a.batch(now.Add(10 * time.Millisecond)); len(batch) != 1 || batch[0].Stage != "other" || next != 5*time.Millisecond {
		t.Fatalf("%v, %s", batch, next)
	}
	if batch, _ := a.batch(now.Add(15 * time.Millisecond)); len(batch) != 1 || batch[0].LSN != 2 {
		t.Fatalf("%v", batch)
	}
}

func TestBalancerKeepsPartitionNumbersTogether(t *testing.T) {
	member := func(id string, topics ...string) kafka.GroupMember { return kafka.GroupMember{ID: id, Topics: topics} }
	partitions := func(topic string, n int) (all []kafka.Partition) {
		for i := range n {
			all = append(all, kafka.Partition{Topic: topic, ID: i})
		}
		return all
	}
	layout := slices.Concat(partitions("a", 4), partitions("b", 4), partitions("one", 1))
	for _, c := range []struct {
		name    string
		members []kafka.GroupMember
		want    map[string][]int // member -> its partitions of a
	}{
		{"alone", []kafka.GroupMember{member("x", "a", "b", "one")}, map[string][]int{"x": {0, 1, 2, 3}}},
		{"two", []kafka.GroupMember{member("y", "a", "b", "one"), member("x", "a", "b", "one")}, map[string][]int{"x": {0, 1}, "y": {2, 3}}},
		{"three", []kafka.GroupMember{member("x", "a", "b", "one"), member("y", "a", "b", "one"), member("z", "a", "b", "one")}, map[string][]int{"x": {0, 1}, "y": {2}, "z": {3}}},
		{"an older version stands back", []kafka.GroupMember{member("old", "a", "b"), member("new", "a", "b", "one")}, map[string][]int{"new": {0, 1, 2, 3}, "old": nil}},
		{"nobody knows all", []kafka.GroupMember{member("x", "a", "b"), member("y", "a", "one")}, map[string][]int{"x": nil, "y": nil}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := copartitioned{}.AssignGroups(c.members, layout)
			for id, want := range c.want {
				if !slices.Equal(got[id]["a"], want) || !slices.Equal(got[id]["b"], want) {
					t.Errorf("%s has a %v and b %v, want %v", id, got[id]["a"], got[id]["b"], want)
				}
				if slices.Contains(want, 0) != slices.Equal(got[id]["one"], []int{0}) {
					t.Errorf("%s has one %v and partitions %v", id, got[id]["one"], want)
				}
			}
		})
	}
}

func TestConfigIsValidated(t *testing.T) {
	for _, c := range []struct {
		config Config
		ok     bool
	}{
		{Config{Brokers: []string{"h:1"}, Prefix: "p"}, true},
		{Config{Prefix: "p"}, false},
		{Config{Brokers: []string{"h:1"}}, false},
		{Config{Brokers: []string{"h:1"}, Prefix: "p", Heartbeat: 5 * time.Second}, false},
		{Config{Brokers: []string{"h:1"}, Prefix: "p", FetchBytes: 1 << 12}, false},
		{Config{Brokers: []string{"h:1"}, Prefix: "p", RetryMin: time.Minute}, false},
	} {
		c.config.setDefaults()
		if err := c.config.validate(); (err == nil) != c.ok {
			t.Errorf("%+v: %v", c.config, err)
		}
	}
	if err := validateStages([]Stage{{Name: "s"}, {Name: "s"}, {}}); err == nil {
		t.Error("stages without topics, handlers and names were taken")
	}
	if err := validateStages(nil); err == nil {
		t.Error("no stages were taken")
	}
}
