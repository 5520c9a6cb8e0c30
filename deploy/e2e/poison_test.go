package e2e

import (
	"context"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"

	"freshet/ingest/change"
	"freshet/projectors"
)

// TestPoisonIsParkedAndTheRestFlows puts records that can never be applied among the good ones.
func TestPoisonIsParkedAndTheRestFlows(t *testing.T) {
	ctx := deadline(t, 4*time.Minute)
	s := newShop(t, 2, 60, 4)
	for _, p := range s.pipeline() {
		p.start()
	}
	s.follow(ctx)
	s.mustCatchUp(ctx)
	poison := map[string][]byte{
		change.Topic(s.prefix, "public", "prices"): []byte(`{"op":`),
		change.Topic(s.prefix, "public", "stores"): []byte(`{"op":"z"}`),
		change.OfferViewTopic(s.prefix):            []byte("\x00\xff not a view"),
		change.CommandTopic(s.prefix):              []byte(`{"kind":"dance","store":1}`),
	}
	client := &kafka.Client{Addr: kafka.TCP(s.brokers...), Timeout: 10 * time.Second}
	for topic, value := range poison {
		res, err := client.Produce(ctx, &kafka.ProduceRequest{
			Topic: topic, Partition: 0, RequiredAcks: kafka.RequireAll,
			Records: kafka.NewRecordReader(kafka.Record{Key: kafka.NewBytes([]byte("poison")), Value: kafka.NewBytes(value)}),
		})
		if err = errors.Join(err, produceError(res)); err != nil {
			t.Fatalf("put poison on %s: %v", topic, err)
		}
	}
	n := newNemesis(t, s.postgres, *seedFlag, 2)
	n.run(ctx, 300)
	s.mustAgree(ctx, "with poison on four topics")

	// The views' and the commands' poison meets two stages each.
	parked := s.deadLetters(ctx, client, 6)
	for topic := range poison {
		want := 1
		if topic == change.OfferViewTopic(s.prefix) || topic == change.CommandTopic(s.prefix) {
			want = 2
		}
		if parked[topic] != want {
			t.Errorf("%d records of %s are parked, want %d", parked[topic], topic, want)
		}
	}
}

func produceError(res *kafka.ProduceResponse) error {
	if res == nil {
		return nil
	}
	return res.Error
}

// deadLetters reads want records from the dead-letter topic and counts them by the topic they came from.
func (s *shop) deadLetters(ctx context.Context, client *kafka.Client, want int) map[string]int {
	s.t.Helper()
	parked := map[string]int{}
	for offset := int64(0); offset < int64(want); {
		res, err := client.Fetch(ctx, &kafka.FetchRequest{Topic: change.DeadLetterTopic(s.prefix), Offset: offset, MinBytes: 1, MaxBytes: 1 << 20, MaxWait: time.Second})
		if err == nil {
			err = res.Error
		}
		if err != nil {
			s.t.Fatalf("read the dead letters: %v", err)
		}
		for {
			r, err := res.Records.ReadRecord()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				s.t.Fatalf("read a dead letter: %v", err)
			}
			offset = r.Offset + 1
			headers := map[string]string{}
			for _, h := range r.Headers {
				headers[h.Key] = string(h.Value)
			}
			for _, name := range []string{projectors.HeaderDeadPartition, projectors.HeaderDeadOffset, projectors.HeaderDeadReason, projectors.HeaderDeadStage} {
				if headers[name] == "" {
					s.t.Errorf("the dead letter at %d has no %s", r.Offset, name)
				}
			}
			parked[headers[projectors.HeaderDeadTopic]]++
		}
	}
	return parked
}
