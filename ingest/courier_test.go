package ingest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol/metadata"
	"github.com/segmentio/kafka-go/protocol/produce"
	"github.com/segmentio/kafka-go/protocol/rawproduce"
)

// cluster answers a courier: partition n of a topic of four is led by broker n/2. Each produce request waits to be let through.
type cluster struct {
	asked chan call

	mu     sync.Mutex
	refuse map[place]kafka.Error
	silent map[place]bool
	told   int // how often who leads was told
}

func (c *cluster) RoundTrip(_ context.Context, _ net.Addr, request kafka.Request) (kafka.Response, error) {
	switch r := request.(type) {
	case *metadata.Request:
		return c.tell(r), nil
	case *rawproduce.Request:
		return c.take(r)
	}
	return nil, fmt.Errorf("no answer to %T", request)
}

func (c *cluster) tell(r *metadata.Request) *metadata.Response {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.told++
	answer := &metadata.Response{Brokers: []metadata.ResponseBroker{{NodeID: 0}, {NodeID: 1}}}
	for _, name := range r.TopicNames {
		t := metadata.ResponseTopic{Name: name}
		for id := range int32(4) {
			t.Partitions = append(t.Partitions, metadata.ResponsePartition{PartitionIndex: id, LeaderID: id / 2})
		}
		if name == "unknown" {
			t = metadata.ResponseTopic{Name: name, ErrorCode: int16(kafka.UnknownTopicOrPartition)}
		}
		answer.Topics = append(answer.Topics, t)
	}
	return answer
}

func (c *cluster) take(r *rawproduce.Request) (kafka.Response, error) {
	answer := &produce.Response{}
	var all []place
	for _, t := range r.Topics {
		at := produce.ResponseTopic{Topic: t.Topic}
		for _, p := range t.Partitions {
			here := place{t.Topic, int(p.Partition)}
			all = append(all, here)
			c.mu.Lock()
			part := produce.ResponsePartition{Partition: p.Partition, BaseOffset: 100 + int64(p.Partition), ErrorCode: int16(c.refuse[here])}
			if !c.silent[here] {
				at.Partitions = append(at.Partitions, part)
			}
			c.mu.Unlock()
		}
		answer.Topics = append(answer.Topics, at)
	}
	slices.SortFunc(all, func(a, b place) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
	asked := call{all, make(chan error)}
	c.asked <- asked
	return answer, <-asked.let
}

// call is a produce request that waits.
type call struct {
	of  []place
	let chan error // nil answers, an error is the request's
}

type carried struct {
	place
	base int64
	err  error
}

// carrying starts to carry batches and returns where they report.
func carrying(t *testing.T, c *courier, size int, at ...place) <-chan carried {
	t.Helper()
	out := make(chan carried, len(at))
	for _, p := range at {
		go func() {
			base, err := c.carry(t.Context(), p, bytes.Repeat([]byte{1}, size))
			out <- carried{p, base, err}
		}()
	}
	return out
}

func newTestCourier(linger time.Duration) (*courier, *cluster) {
	c := &cluster{asked: make(chan call), refuse: map[place]kafka.Error{}, silent: map[place]bool{}}
	return newCourier(&kafka.Client{Addr: kafka.TCP("none:0"), Transport: c}, linger), c
}

// gathered waits until so many parcels gather for a broker.
func gathered(t *testing.T, c *courier, leader, n int) {
	t.Helper()
	for t.Context().Err() == nil {
		c.mu.Lock()
		lane := c.rounds[leader]
		there := lane != nil && lane.gathering != nil && len(lane.gathering.parcels) == n
		c.mu.Unlock()
		if there {
			return
		}
		runtime.Gosched()
	}
	t.Fatal("nothing gathers")
}

// mustAsk waits for a request and returns what lets it through.
func mustAsk(t *testing.T, c *cluster, want ...place) chan<- error {
	t.Helper()
	got := <-c.asked
	if !slices.Equal(got.of, want) {
		t.Fatalf("a request of %v, want %v", got.of, want)
	}
	return got.let
}

// TestSmallBatchesShareARequest: what comes while a request is under way goes with the next, to its broker's alone.
func TestSmallBatchesShareARequest(t *testing.T) {
	c, k := newTestCourier(0)
	first := carrying(t, c, 10, place{"a", 0})
	one := mustAsk(t, k, place{"a", 0})
	beside := carrying(t, c, 10, place{"a", 2})
	other := mustAsk(t, k, place{"a", 2}) // the other broker isn't waited for
	rest := carrying(t, c, 10, place{"a", 0}, place{"a", 1}, place{"b", 1})
	gathered(t, c, 0, 3)
	k.refuse[place{"a", 1}], k.silent[place{"b", 1}] = kafka.NotLeaderForPartition, true
	one <- nil
	other <- nil
	if got := <-first; got.err != nil || got.base != 100 {
		t.Errorf("the first: %+v", got)
	}
	if got := <-beside; got.err != nil || got.base != 102 {
		t.Errorf("the one beside: %+v", got)
	}
	mustAsk(t, k, place{"a", 0}, place{"a", 1}, place{"b", 1}) <- nil
	want := map[place]error{{"a", 0}: nil, {"a", 1}: kafka.NotLeaderForPartition, {"b", 1}: errUnanswered}
	for range want {
		if got := <-rest; !errors.Is(got.err, want[got.place]) {
			t.Errorf("%v: %v, want %v", got.place, got.err, want[got.place])
		}
	}
	told := k.told
	again := carrying(t, c, 10, place{"a", 1})
	mustAsk(t, k, place{"a", 1}) <- nil
	if <-again; k.told != told+1 {
		t.Errorf("asked %d times who leads a partition that failed, want once", k.told-told)
	}
}

// TestBatchesThatGoAlone: large ones, a second one of a partition, and those that nobody is known to lead. A request that fails
// fails for all of it.
func TestBatchesThatGoAlone(t *testing.T) {
	c, k := newTestCourier(0)
	busy := carrying(t, c, 10, place{"a", 0})
	one := mustAsk(t, k, place{"a", 0})
	waiting := carrying(t, c, 10, place{"a", 1}, place{"b", 0})
	gathered(t, c, 0, 2)
	for _, test := range []struct {
		at   place
		size int
	}{{place{"a", 0}, soloBytes}, {place{"a", 1}, 10}, {place{"unknown", 0}, 10}} {
		out := carrying(t, c, test.size, test.at)
		mustAsk(t, k, test.at) <- nil
		if got := <-out; got.err != nil {
			t.Errorf("%v of %d bytes: %v", test.at, test.size, got.err)
		}
	}
	one <- nil
	if got := <-busy; got.err != nil {
		t.Error(got.err)
	}
	lost := errors.New("the line is cut")
	mustAsk(t, k, place{"a", 1}, place{"b", 0}) <- lost
	for range 2 {
		if got := <-waiting; !errors.Is(got.err, lost) {
			t.Errorf("%v: %v, want %v", got.place, got.err, lost)
		}
	}
}

// TestSmallBatchesLinger: one that comes alone goes at once; those that come sooner than the linger after it began go together
// when that is over, however quick the broker was.
func TestSmallBatchesLinger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const linger = 5 * time.Millisecond
		c, k := newTestCourier(linger)
		began := time.Now()
		alone := carrying(t, c, 10, place{"a", 0})
		mustAsk(t, k, place{"a", 0}) <- nil
		if got := <-alone; got.err != nil || time.Since(began) != 0 {
			t.Errorf("the one that came alone: %+v after %s", got, time.Since(began))
		}
		time.Sleep(linger / 5)
		second := carrying(t, c, 10, place{"a", 0})
		time.Sleep(linger / 5)
		third := carrying(t, c, 10, place{"a", 1})
		mustAsk(t, k, place{"a", 0}, place{"a", 1}) <- nil
		if a, b := <-second, <-third; a.err != nil || b.err != nil || time.Since(began) != linger {
			t.Errorf("those that gathered: %+v and %+v after %s, want %s", a, b, time.Since(began), linger)
		}
	})
}
