package stream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/segmentio/kafka-go"

	"freshet/ingest/change"
	"freshet/ingest/validator"
)

// topics reads what lies on the topics, each record once and in order, and hands it to the validator.
type topics struct {
	client    *kafka.Client
	prefix    string
	validator *validator.Validator
	tables    []validator.Table
	next      map[string][]int64 // offset to go on at, per partition
	// swept is the position of each partition's last record of a snapshot: the null behind its delete does not say.
	swept map[string]change.Position
	// position is what ingest stored last.
	position []byte
}

// partitions of every topic that is not a dimension's.
const partitions = 3

func tables(prefix string) []validator.Table {
	table := func(name string, n int, key, routing string, identity ...string) validator.Table {
		return validator.Table{
			Name: "public." + name, Topic: change.Topic(prefix, "public", name), Partitions: n,
			Key: []string{key}, Routing: routing, Identity: identity,
		}
	}
	return []validator.Table{
		table("items", partitions, "id", "id", "id"),
		table("lines", partitions, "sku", "product_id", "sku", "product_id"),
		table("full_rows", partitions, "id", "product_id"),
		table("reviews", partitions, "id", "product_id", "id"),
		table("bulk", partitions, "id", "id", "id"),
		table("guest", partitions, "id", "id", "id"),
		table("stores", 1, "id", "id", "id"),
		// No table, but one topic with a place in the order of the transactions.
		{Name: messages, Topic: change.MessageTopic(prefix), Partitions: 1, Key: []string{"prefix"}, Routing: "prefix", Identity: []string{"prefix"}},
	}
}

// messages is the name under which the history notes logical messages.
const messages = "public.message"

// follow reads progress until it says that everything before target is on the topics, and then the topics as far as that.
func (tp *topics) follow(ctx context.Context, target change.LSN, alive func() error) error {
	deadline := time.Now().Add(patience)
	for {
		if err := tp.progress(ctx); err != nil {
			return err
		}
		if tp.validator.Cut() >= target {
			return tp.rows(ctx)
		}
		if err := alive(); err != nil {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("progress stands at %s and never reached %s", tp.validator.Cut(), target)
		}
		<-time.After(10 * time.Millisecond)
	}
}

// progress reads the progress topic to its end. That it is not there, or has no leader, is for a moment.
func (tp *topics) progress(ctx context.Context) error {
	topic := change.ProgressTopic(tp.prefix)
	return tp.read(ctx, topic, 0, func(r *kafka.Record, _, value []byte) error {
		p, err := change.DecodeProgress(value)
		if err == nil {
			tp.validator.Progress(p)
		}
		return err
	})
}

// rows reads all table topics to their ends.
func (tp *topics) rows(ctx context.Context) error {
	for _, t := range tp.tables {
		for id := range t.Partitions {
			before := tp.offset(t.Topic, id)
			if err := tp.read(ctx, t.Topic, id, func(r *kafka.Record, key, value []byte) error {
				return tp.row(t.Topic, id, r, key, value)
			}); err != nil {
				return fmt.Errorf("%s/%d from %d: %w", t.Topic, id, before, err)
			}
		}
	}
	return nil
}

func (tp *topics) row(topic string, id int, r *kafka.Record, key, value []byte) error {
	headers := make([]change.Header, len(r.Headers))
	for i, h := range r.Headers {
		headers[i] = change.Header{Key: h.Key, Value: h.Value}
	}
	e, err := change.Decode(key, value, headers)
	if err != nil {
		return err
	}
	record := validator.Record{Topic: topic, Partition: id, Offset: r.Offset, Event: e}
	at := fmt.Sprintf("%s/%d", topic, id)
	if e.Op == change.Tombstone {
		record.Snapshot = tp.swept[at] == e.Position
		tp.validator.Record(record)
		return nil
	}
	var envelope struct {
		Source  struct{ Snapshot string }
		Message json.RawMessage
	}
	if err := json.Unmarshal(value, &envelope); err != nil {
		return err
	}
	if e.Op == change.Message {
		record.Event.After = envelope.Message
	}
	record.Snapshot = envelope.Source.Snapshot != "false"
	if record.Snapshot {
		tp.swept[at] = e.Position
	}
	tp.validator.Record(record)
	return nil
}

func (tp *topics) offset(topic string, id int) int64 {
	for len(tp.next[topic]) <= id {
		tp.next[topic] = append(tp.next[topic], 0)
	}
	return tp.next[topic][id]
}

// read hands over the records of a partition from where it left off to its end.
func (tp *topics) read(ctx context.Context, topic string, id int, take func(r *kafka.Record, key, value []byte) error) error {
	deadline := time.Now().Add(patience)
	for {
		offset := tp.offset(topic, id)
		answer, err := tp.client.Fetch(ctx, &kafka.FetchRequest{
			Topic: topic, Partition: id, Offset: offset, MinBytes: 1, MaxBytes: 8 << 20, MaxWait: 20 * time.Millisecond,
		})
		if err == nil {
			err = answer.Error
		}
		if err == nil {
			err = tp.take(answer, topic, id, take)
		}
		if err == nil && tp.offset(topic, id) >= answer.HighWatermark {
			return nil
		}
		if err != nil && (ctx.Err() != nil || time.Now().After(deadline)) {
			return err
		}
		if errors.Is(err, change.ErrMalformed) {
			return err
		}
		if tp.offset(topic, id) > offset {
			deadline = time.Now().Add(patience)
			continue
		}
		<-time.After(20 * time.Millisecond)
	}
}

func (tp *topics) take(answer *kafka.FetchResponse, topic string, id int, take func(r *kafka.Record, key, value []byte) error) error {
	for {
		r, err := answer.Records.ReadRecord()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if r.Offset < tp.offset(topic, id) {
			continue // the batch begins before the offset asked for
		}
		key, err := kafka.ReadAll(r.Key)
		if err != nil {
			return err
		}
		value, err := kafka.ReadAll(r.Value)
		if err != nil {
			return err
		}
		if err := take(r, key, value); err != nil {
			return fmt.Errorf("%s/%d@%d: %w", topic, id, r.Offset, err)
		}
		tp.next[topic][id] = r.Offset + 1
	}
}
