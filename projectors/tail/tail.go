// Package tail reads single partitions as they lie there, without a group and without committing anything: the newest record
// that somebody looks for, the letters on the dead-letter topic, one record at its offset.
//
// explain, replay and api/admin read with it. Guarantee: records come whole, in order and each once; a request that fails
// is an error, never an empty answer.
package tail

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/segmentio/kafka-go"

	"freshet/ingest/change"
	"freshet/projectors"
)

const (
	// fetchBytes is how much one request answers with; a record that is larger comes alone.
	fetchBytes = 4 << 20
	// fetchWait is how long a broker may hold a request for records that ought to be there.
	fetchWait = time.Second
	// stride is how many offsets Back looks through at a time.
	stride = 1000
)

// Reader reads partitions over a client.
type Reader struct{ client *kafka.Client }

// New returns a reader. Requests are made when asked.
func New(client *kafka.Client) *Reader { return &Reader{client} }

// Partitions returns how many partitions a topic has.
func (r *Reader) Partitions(ctx context.Context, topic string) (int, error) {
	answer, err := r.client.Metadata(ctx, &kafka.MetadataRequest{Topics: []string{topic}})
	if err != nil {
		return 0, fmt.Errorf("metadata of %s: %w", topic, err)
	}
	for _, t := range answer.Topics {
		if t.Name == topic && t.Error == nil && len(t.Partitions) > 0 {
			return len(t.Partitions), nil
		}
	}
	return 0, fmt.Errorf("metadata of %s: %w", topic, kafka.UnknownTopicOrPartition)
}

// Ends returns the first offset that a partition holds and the one behind its last.
func (r *Reader) Ends(ctx context.Context, topic string, partition int) (first, end int64, err error) {
	answer, err := r.client.ListOffsets(ctx, &kafka.ListOffsetsRequest{
		Topics: map[string][]kafka.OffsetRequest{topic: {kafka.FirstOffsetOf(partition), kafka.LastOffsetOf(partition)}},
	})
	if err != nil {
		return 0, 0, fmt.Errorf("list offsets of %s/%d: %w", topic, partition, err)
	}
	ends := answer.Topics[topic]
	if len(ends) == 0 {
		return 0, 0, fmt.Errorf("list offsets of %s/%d: %w", topic, partition, kafka.UnknownTopicOrPartition)
	}
	if err := ends[0].Error; err != nil {
		return 0, 0, fmt.Errorf("list offsets of %s/%d: %w", topic, partition, err)
	}
	return ends[0].FirstOffset, ends[0].LastOffset, nil
}

// Each hands over the records from an offset on, up to the end that is given, oldest first.
func (r *Reader) Each(ctx context.Context, topic string, partition int, from, end int64, f func(projectors.Record) error) error {
	for next := from; next < end; {
		after, err := r.fetch(ctx, topic, partition, next, end, f)
		if err != nil {
			return err
		}
		if after == next {
			return fmt.Errorf("fetch %s/%d@%d: nothing comes", topic, partition, next)
		}
		next = after
	}
	return nil
}

// Back looks for the newest record that matches, from the end back, through the given number of offsets at most. With it
// come how far back was looked, and whether that was all that the partition holds.
func (r *Reader) Back(ctx context.Context, topic string, partition int, most int64, match func(projectors.Record) bool) (found *projectors.Record, looked int64, all bool, err error) {
	first, end, err := r.Ends(ctx, topic, partition)
	if err != nil {
		return nil, 0, false, err
	}
	for at := end; at > first && looked < most; {
		from := max(first, at-min(stride, most-looked))
		err := r.Each(ctx, topic, partition, from, at, func(record projectors.Record) error {
			if match(record) {
				found = &record
			}
			return nil
		})
		if err != nil {
			return nil, looked, false, err
		}
		looked += at - from
		if found != nil {
			return found, looked, from == first, nil
		}
		at = from
	}
	return nil, looked, looked >= end-first, nil
}

// fetch hands over what one request brings and returns the offset behind it.
func (r *Reader) fetch(ctx context.Context, topic string, partition int, from, end int64, f func(projectors.Record) error) (next int64, err error) {
	answer, err := r.client.Fetch(ctx, &kafka.FetchRequest{
		Topic: topic, Partition: partition, Offset: from, MinBytes: 1, MaxBytes: fetchBytes, MaxWait: fetchWait,
	})
	if err == nil {
		err = answer.Error
	}
	if err != nil {
		return from, fmt.Errorf("fetch %s/%d@%d: %w", topic, partition, from, err)
	}
	for next = from; next < end; {
		raw, err := answer.Records.ReadRecord()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return next, fmt.Errorf("read %s/%d@%d: %w", topic, partition, next, err)
		}
		record, err := whole(topic, partition, raw)
		if err != nil {
			return next, fmt.Errorf("read %s/%d@%d: %w", topic, partition, raw.Offset, err)
		}
		if record.Offset < from { // a batch comes whole, also when it begins before what was asked for
			continue
		}
		if record.Offset >= end {
			return end, nil
		}
		if err := f(record); err != nil {
			return next, fmt.Errorf("%s/%d@%d: %w", topic, partition, record.Offset, err)
		}
		next = record.Offset + 1
	}
	return next, nil
}

// whole copies a record out of its batch.
func whole(topic string, partition int, raw *kafka.Record) (projectors.Record, error) {
	record := projectors.Record{Topic: topic, Partition: partition, Offset: raw.Offset, Time: raw.Time}
	var err error
	if record.Key, err = kafka.ReadAll(raw.Key); err != nil {
		return record, err
	}
	if record.Value, err = kafka.ReadAll(raw.Value); err != nil {
		return record, err
	}
	for _, h := range raw.Headers {
		record.Headers = append(record.Headers, change.Header{Key: h.Key, Value: h.Value})
	}
	return record, nil
}
