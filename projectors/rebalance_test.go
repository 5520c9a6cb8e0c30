package projectors_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"freshet/projectors"
)

// roster records which member works on which partition, and who worked on one that another one had.
type roster struct {
	mu       sync.Mutex
	working  map[string]string // topic/partition -> member whose Handle runs
	owner    map[string]string // topic/partition -> member that handled last
	overlaps []string
}

func (r *roster) enter(member string, batch []projectors.Record) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, record := range batch {
		place := fmt.Sprintf("%s/%d", record.Topic, record.Partition)
		if other := r.working[place]; other != "" && other != member {
			r.overlaps = append(r.overlaps, fmt.Sprintf("%s: %s while %s", place, member, other))
		}
		r.working[place], r.owner[place] = member, member
	}
}

func (r *roster) leave(batch []projectors.Record) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, record := range batch {
		delete(r.working, fmt.Sprintf("%s/%d", record.Topic, record.Partition))
	}
}

func (r *roster) members() map[string][]string {
	r.mu.Lock()
	defer r.mu.Unlock()
	places := make(map[string][]string)
	for place, member := range r.owner {
		places[member] = append(places[member], place)
	}
	for _, p := range places {
		slices.Sort(p)
	}
	return places
}

// TestTwoMembersShareThePartitions: a second member joins under load and leaves again. Partition i of all topics moves
// together, at any time one worker has it, and no record is lost.
func TestTwoMembersShareThePartitions(t *testing.T) {
	b := newBench(t, map[string]int{"a": 4, "b": 4, "one": 1})
	r := &roster{working: make(map[string]string), owner: make(map[string]string)}
	j := &journal{}
	member := func(name string) projectors.Stage {
		s := j.stage(b, "s", "a", "b", "one")
		s.MaxBatch = 20
		s.New = func(context.Context, int) (projectors.Handler, error) {
			return handle(func(_ context.Context, batch []projectors.Record) error {
				r.enter(name, batch)
				defer r.leave(batch)
				j.add(batch)
				return nil
			}), nil
		}
		return s
	}
	first, _ := b.runtime(b.config())
	b.start(first, member("first"))
	written := 0
	write := func() {
		for p := range 4 {
			b.produce("a", p, numbers(written, written+10)...)
			b.produce("b", p, numbers(written, written+10)...)
		}
		b.produce("one", 0, numbers(written, written+10)...)
		written += 10
	}
	write()
	eventually(t, "the first member", func() bool { return j.len() >= 9*written })

	second, _ := b.runtime(b.config())
	stop := b.start(second, member("second"))
	// Who has a partition is known from who handled it last, so a layout counts once each has handled all of its own.
	eventually(t, "both members to have two partitions of each topic, partition i of all topics together", func() bool {
		write()
		m := r.members()
		return len(m["first"])+len(m["second"]) == 9 && min(len(m["first"]), len(m["second"])) == 4 && together(b, m)
	})
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the first member to have all again", func() bool { write(); return len(r.members()["first"]) == 9 })
	eventually(t, "all records", func() bool { return j.complete(b, written) })
	if len(r.overlaps) > 0 {
		t.Errorf("two members on one partition: %v", r.overlaps)
	}
}

// together says whether each member has partition i of all topics or of none, and neither has both ends.
func together(b *bench, members map[string][]string) bool {
	for _, places := range members {
		low, high := slices.Contains(places, b.topic("a")+"/0"), slices.Contains(places, b.topic("a")+"/3")
		if slices.Contains(places, b.topic("one")+"/0") != low || low == high || slices.Contains(places, b.topic("b")+"/0") != low {
			return false
		}
	}
	return true
}

// complete says whether every record was applied, none before the one in front of it was applied for the first time.
func (j *journal) complete(b *bench, n int) bool {
	for _, topic := range []string{"a", "b", "one"} {
		for p := range 4 {
			if topic == "one" && p > 0 {
				continue
			}
			next := 0
			for _, v := range j.values(b.topic(topic), p) {
				if v == fmt.Sprint(next) {
					next++
				}
			}
			if next != n {
				return false
			}
		}
	}
	return true
}

// TestAZombieCannotCommit: a member that hangs in Handle until the group has expelled it finishes its batch, but the new
// owner's offsets stand.
func TestAZombieCannotCommit(t *testing.T) {
	b := newBench(t, map[string]int{"a": 1})
	b.produce("a", 0, numbers(0, 20)...)
	entered, leave := make(chan struct{}), make(chan struct{})
	var once sync.Once
	zombie := projectors.Stage{Name: "s", Topics: []string{b.topic("a")}, MaxBatch: 10}
	zombie.New = func(context.Context, int) (projectors.Handler, error) {
		return handle(func(context.Context, []projectors.Record) error {
			once.Do(func() { close(entered) })
			<-leave
			return errors.New("too late")
		}), nil
	}
	slow := b.config()
	slow.DrainTimeout = 1 // expelled after the session's time, since draining is allowed none
	slow.SessionTimeout, slow.Heartbeat = 6_000_000_000, 1_000_000_000
	first, _ := b.runtime(slow)
	b.start(first, zombie)
	<-entered

	j := &journal{}
	second, _ := b.runtime(slow)
	b.start(second, j.stage(b, "s", "a"))
	eventually(t, "the new owner", func() bool { return j.len() == 20 && b.committed("s", "a", 0) == 20 })
	close(leave)
	b.produce("a", 0, "after")
	eventually(t, "the record after", func() bool { return b.committed("s", "a", 0) == 21 })
	if got := j.values(b.topic("a"), 0); len(got) < 20 || !slices.Equal(got[:20], numbers(0, 20)) {
		t.Errorf("got %v", got)
	}
}
