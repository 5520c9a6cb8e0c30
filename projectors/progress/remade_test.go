package progress

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"freshet/ingest/change"
)

// incarnation is a topic between two times that it is made.
type incarnation struct {
	id   string
	ends []int64
	at   map[int]int64 // offset of each change that lies there
}

// changed is a change that somebody has to publish.
type changed struct {
	by     *announcer
	lsn    change.LSN
	output int
}

// announcer publishes changes of a partition of a stage and announces where the topic ends, by what it knows: it may be the
// topic of before.
type announcer struct {
	stage      string
	number, of int
	lsn        change.LSN
	id         string
	ends       []int64
	said       *change.Progress
	underway   [][]change.Progress // by owner: what is announced and has not arrived
}

// shop is the world of topics that are made again.
type shop struct {
	topic      *incarnation
	made       int
	announcers []*announcer
	changes    []changed
}

func (s *shop) remake() {
	s.made++
	s.topic = &incarnation{id: fmt.Sprint("id", s.made), ends: make([]int64, modelOutputs), at: map[int]int64{}}
}

// put publishes a change, and says where it lies.
func (s *shop) put(n int) int64 {
	output := s.changes[n].output
	s.topic.at[n] = s.topic.ends[output]
	s.topic.ends[output]++
	return s.topic.at[n]
}

// learn is what an announcer does that looks: what was lost is published again, as by a new snapshot, before it says anything.
func (s *shop) learn(a *announcer) {
	for n, c := range s.changes {
		if _, there := s.topic.at[n]; c.by == a && !there {
			s.put(n)
		}
	}
	a.id, a.ends = s.topic.id, slices.Clone(s.topic.ends)
}

// publish is what an announcer does that may not know yet that the topic was made again.
func (s *shop) publish(a *announcer, output int) {
	s.changes = append(s.changes, changed{a, a.lsn, output})
	base := s.put(len(s.changes) - 1)
	if base < a.ends[output] {
		s.learn(a)
		return
	}
	a.ends[output] = base + 1
}

func (a *announcer) announce(full bool) {
	full = full || a.said == nil || a.said.IDs[modelTopic] != a.id
	p := change.Progress{
		Stage: a.stage, Partition: a.number, Partitions: a.of, LSN: a.lsn, Full: full,
		Ends: map[string][]int64{modelTopic: slices.Clone(a.ends)}, IDs: map[string]string{modelTopic: a.id},
	}
	all := p
	if !full {
		ends := slices.Clone(a.ends)
		for i := range ends {
			if ends[i] == a.said.Ends[modelTopic][i] {
				ends[i] = -1
			}
		}
		p.Ends = map[string][]int64{modelTopic: ends}
	}
	a.said = &all
	a.underway[len(a.underway)-1] = append(a.underway[len(a.underway)-1], p)
	a.lsn++ // what follows is of later transactions
}

func (s *shop) step(t *rapid.T) {
	a := rapid.SampledFrom(s.announcers).Draw(t, "announcer")
	switch rapid.IntRange(0, 9).Draw(t, "what") {
	case 0:
		s.remake()
	case 1:
		s.learn(a)
	case 2: // another process takes the partition over, and asks Kafka first
		s.learn(a)
		a.said, a.underway = nil, append(a.underway, nil)
	case 3, 4, 5:
		a.announce(rapid.IntRange(0, 2).Draw(t, "full") == 0)
	default:
		a.lsn += change.LSN(rapid.IntRange(0, 2).Draw(t, "advance"))
		s.publish(a, rapid.IntRange(0, modelOutputs-1).Draw(t, "output"))
	}
}

// arrive lets some of what is under way arrive: in order that of one owner, in any order that of several.
func (s *shop) arrive(t *rapid.T, b *board) {
	for _, a := range s.announcers {
		for i, records := range a.underway {
			n := rapid.IntRange(0, len(records)).Draw(t, "arrive")
			for _, p := range records[:n] {
				apply(t, b, p)
			}
			a.underway[i] = records[n:]
		}
	}
}

// check holds a cut against what lies on the topic of now: nobody can read another one.
func (s *shop) check(t *rapid.T, cut Cut) {
	if cut.IDs[modelTopic] != s.topic.id {
		return
	}
	for n, c := range s.changes {
		if c.lsn > cut.LSN {
			continue
		}
		if at, there := s.topic.at[n]; !there || at >= cut.Ends[modelTopic][c.output] {
			t.Fatalf("cut %s of topic %s ends output %d at %d, and the change of %s by %s/%d lies at %d (%t)",
				cut.LSN, s.topic.id, c.output, cut.Ends[modelTopic][c.output], c.lsn, c.by.stage, c.by.number, at, there)
		}
	}
}

// TestTopicsThatAreMadeAgain: whatever anyone still says of a topic that is no more, in whatever order it arrives, no cut leaves out
// what the new one holds; and once all know of it, the cut ends where it ends, however long the old one was.
func TestTopicsThatAreMadeAgain(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, b, stages := &shop{}, newBoard(), []string{"a", "b"}
		s.remake()
		for _, stage := range stages {
			n := rapid.IntRange(1, 2).Draw(t, "partitions")
			for i := range n {
				a := &announcer{stage: stage, number: i, of: n, lsn: 1, underway: make([][]change.Progress, 1)}
				s.learn(a)
				s.announcers = append(s.announcers, a)
			}
		}
		for range rapid.IntRange(1, 80).Draw(t, "steps") {
			s.step(t)
			s.arrive(t, b)
			if cut, ok := b.cut(stages, []string{modelTopic}); ok {
				s.check(t, cut)
			}
		}
		lowest := change.LSN(1 << 62)
		for _, a := range s.announcers {
			s.learn(a)
		}
		for _, a := range s.announcers {
			s.learn(a) // what the others have published again
			lowest = min(lowest, a.lsn)
			a.announce(true)
		}
		for _, a := range s.announcers {
			slices.Reverse(a.underway) // what the last owner says arrives before what those before it have said
			for _, p := range slices.Concat(a.underway...) {
				apply(t, b, p)
			}
		}
		cut, ok := b.cut(stages, []string{modelTopic})
		if !ok || cut.LSN != lowest || cut.IDs[modelTopic] != s.topic.id || !slices.Equal(cut.Ends[modelTopic], s.topic.ends) {
			t.Fatalf("cut %+v, %v, want %s of %+v", cut, ok, lowest, s.topic)
		}
		s.check(t, cut)
	})
}

// TestAnOldFormNamesNoTopic: ends without an id count for whichever topic there is, as they did.
func TestAnOldFormNamesNoTopic(t *testing.T) {
	b := newBoard()
	say := func(stage string, lsn change.LSN, id string, end int64) {
		t.Helper()
		p := change.Progress{Stage: stage, LSN: lsn, Full: true, Ends: map[string][]int64{"in": {end}}}
		if id != "" {
			p.IDs = map[string]string{"in": id}
		}
		if _, err := b.apply(p); err != nil {
			t.Fatal(err)
		}
	}
	cut := func(want string, end int64) {
		t.Helper()
		got, ok := b.cut([]string{"s", "t"}, []string{"in"})
		if !ok || got.IDs["in"] != want || got.Ends["in"][0] != end {
			t.Errorf("cut %+v, %t, want %q at %d", got, ok, want, end)
		}
	}
	say("s", 1, "", 5)
	say("t", 1, "", 9)
	cut("", 9)
	say("s", 2, "x", 6)
	cut("x", 9)
	say("t", 2, "x", 4)
	cut("x", 6)
	say("t", 3, "y", 4)
	if got, ok := b.cut([]string{"s", "t"}, []string{"in"}); ok {
		t.Errorf("cut %+v while two topics are spoken of", got)
	}
}
