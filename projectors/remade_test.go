package projectors_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"

	"freshet/ingest/change"
	"freshet/projectors"
	"freshet/projectors/progress"
)

// remake deletes a topic and makes it again.
func (b *bench) remake(topic string, partitions int) {
	b.t.Helper()
	name := b.topic(topic)
	answer, err := b.client.DeleteTopics(b.t.Context(), &kafka.DeleteTopicsRequest{Topics: []string{name}})
	if err != nil || answer.Errors[name] != nil {
		b.t.Fatal(err, answer)
	}
	eventually(b.t, "the topic is made again", func() bool {
		answer, err := b.client.CreateTopics(b.t.Context(), &kafka.CreateTopicsRequest{
			Topics: []kafka.TopicConfig{{Topic: name, NumPartitions: partitions, ReplicationFactor: 1}},
		})
		return err == nil && answer.Errors[name] == nil
	})
}

// TestATopicBetweenStagesIsMadeAgain: who reads it stops. Told to begin at its beginning it passes what the new topic holds, though
// the old one was longer, and though the stage that fills it has never stopped, is quiet at first, and then fills one partition.
func TestATopicBetweenStagesIsMadeAgain(t *testing.T) {
	b := newBench(t, map[string]int{"in": 3, "mid": 3})
	filling, _ := b.runtime(b.config())
	reading, _ := b.runtime(b.config())
	var first, last, again journal
	b.start(filling, forward(b, filling, "first", "in", "mid", "ingest", &first))
	stop := b.start(reading, forward(b, reading, "last", "mid", "", "first", &last))
	src := &source{b: b, topic: "in", ends: make([]int64, 3)}
	for i := range 3 {
		src.write(i, numbers(i*100, i*100+60)...)
	}
	if err := filling.Tracker().Wait(t.Context(), src.announce(), "last"); err != nil {
		t.Fatal(err)
	}
	b.remake("mid", 3)
	eventually(t, "the reading stage stops", func() bool { return reading.Ready() != nil })
	if err := stop(); !errors.As(err, new(*projectors.OffsetRangeError)) {
		t.Fatalf("it says %v", err)
	}
	for i := range 3 {
		b.commit("last", "mid", i, 0)
	}
	second, _ := b.runtime(b.config())
	b.start(second, forward(b, second, "last", "mid", "", "first", &again))
	// Nothing is written at first: then the filling stage has to ask.
	mustPass(t, second.Tracker(), src, "last")
	src.write(0, "1000")
	lsn := mustPass(t, second.Tracker(), src, "first", "last")
	if again.len() != 1 {
		t.Errorf("it has passed %s with %d records of 1", lsn, again.len())
	}
	fresh, err := progress.New(progress.Config{Brokers: b.brokers, Prefix: b.prefix}, b.logger())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- fresh.Run(ctx) }()
	eventually(t, "a reader that began now knows the new topic's ends", func() bool {
		cut, ok := fresh.Cut([]string{"first"}, []string{b.topic("mid")})
		return ok && cut.LSN >= lsn && cut.Ends[b.topic("mid")][0]+cut.Ends[b.topic("mid")][1]+cut.Ends[b.topic("mid")][2] == 1
	})
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// mustPass announces a position, and later ones as the source's keepalives do, and waits until the stages have passed the first.
func mustPass(t *testing.T, tracker *progress.Tracker, src *source, stages ...string) change.LSN {
	t.Helper()
	lsn, said := src.announce(), time.Now()
	eventually(t, "the stages pass it", func() bool {
		if time.Since(said) > 200*time.Millisecond {
			src.announce()
			said = time.Now()
		}
		lowest, ok := tracker.Lowest(stages...)
		return ok && lowest.LSN >= lsn
	})
	return lsn
}
