package ingest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/segmentio/kafka-go"

	"freshet/ingest/change"
)

// readTopic calls fn with every record of a partition from one offset up to another, in order. The slices are fn's to keep.
func readTopic(ctx context.Context, client *kafka.Client, topic string, partition int, from, to int64, fn func(offset int64, r *kafka.Record) error) error {
	for offset := from; offset < to; {
		answer, err := client.Fetch(ctx, &kafka.FetchRequest{
			Topic: topic, Partition: partition, Offset: offset, MinBytes: 1, MaxBytes: 4 << 20, MaxWait: time.Second,
		})
		if err == nil {
			err = answer.Error
		}
		if err != nil {
			return fmt.Errorf("read %s/%d at %d: %w", topic, partition, offset, err)
		}
		next := offset
		for {
			r, err := answer.Records.ReadRecord()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return fmt.Errorf("read %s/%d at %d: %w", topic, partition, next, err)
			}
			if r.Offset < offset {
				continue // the batch begins before the offset asked for
			}
			if err := fn(r.Offset, r); err != nil {
				return fmt.Errorf("%s/%d@%d: %w", topic, partition, r.Offset, err)
			}
			next = r.Offset + 1
		}
		if next == offset {
			return fmt.Errorf("read %s/%d: the record at offset %d of %d does not come", topic, partition, offset, to)
		}
		offset = next
	}
	return nil
}

// offsets are a partition's.
type offsets struct{ first, last int64 }

// partitionOffsets returns where a partition begins and ends now.
func partitionOffsets(ctx context.Context, client *kafka.Client, topic string, partition int) (offsets, error) {
	answer, err := client.ListOffsets(ctx, &kafka.ListOffsetsRequest{Topics: map[string][]kafka.OffsetRequest{
		topic: {kafka.FirstOffsetOf(partition), kafka.LastOffsetOf(partition)},
	}})
	if err != nil {
		return offsets{}, fmt.Errorf("list offsets of %s: %w", topic, err)
	}
	for _, part := range answer.Topics[topic] {
		if part.Partition == partition {
			return offsets{part.FirstOffset, part.LastOffset}, part.Error
		}
	}
	return offsets{}, fmt.Errorf("list offsets of %s: the answer does not name the topic", topic)
}

// vanished is a row that the topic holds and the table does not: what its last record said of it.
type vanished struct {
	part *partition
	key  string
	row  map[string]json.RawMessage // by column, as the envelope has it; nil when that can't be read
	// left says that the key was told of since, in this partition, as routed by another value: the row may live, and is gone
	// from the document that it was a part of.
	left bool
}

// leftover reads a table's topic back and finds the keys whose newest record is older than since and no delete, or was told
// of since for another document: who folds the topic believes that they exist where they were, and nothing that was read
// or streamed since has said so.
type leftover struct {
	client  *kafka.Client
	since   change.LSN
	routing string          // the routing column, "" where a key's routing can't change
	only    map[string]bool // the keys to look at; nil for all
	skip    map[string]bool // the keys to pass over
	held    []vanished      // rows that the order's sender holds, whatever the topic knows
}

// word is the last that was said of a key before since.
type word struct {
	offset int64
	route  string // of the routing column's value, as JSON; "" when unknown
	left   bool
}

// find looks at one partition, up to its end, and returns at most limit of them.
func (l leftover) find(ctx context.Context, part *partition, limit int) ([]vanished, error) {
	at, err := partitionOffsets(ctx, l.client, part.topic, part.id)
	if err != nil {
		return nil, err
	}
	old, err := l.words(ctx, part, at)
	if err != nil || len(old) == 0 {
		return nil, err
	}
	for key := range old {
		if len(old) <= limit {
			break
		}
		delete(old, key) // for the next time
	}
	return l.rows(ctx, part, at, old)
}

// words folds the partition to the keys that only old records tell of where they were.
func (l leftover) words(ctx context.Context, part *partition, at offsets) (map[string]word, error) {
	old := map[string]word{}
	return old, readTopic(ctx, l.client, part.topic, part.id, at.first, at.last, func(offset int64, r *kafka.Record) error {
		key, err := kafka.ReadAll(r.Key)
		if err != nil {
			return err
		}
		if r.Key == nil {
			clear(old) // a truncate
			return nil
		}
		if l.skip[string(key)] || (l.only != nil && !l.only[string(key)]) {
			return nil
		}
		at, err := positionOf(r.Headers)
		if err != nil {
			return err
		}
		return l.hear(old, string(key), offset, at.Commit >= l.since, r.Value)
	})
}

// hear takes the next record of a key.
func (l leftover) hear(old map[string]word, key string, offset int64, recent bool, raw kafka.Bytes) error {
	before, known := old[key]
	if raw == nil {
		if !before.left { // else it is of the document that the row went to
			delete(old, key)
		}
		return nil
	}
	if recent && !known {
		return nil
	}
	route := ""
	if l.routing != "" {
		value, err := kafka.ReadAll(raw)
		if err != nil {
			return err
		}
		route = string(rowOf(value)[l.routing])
	}
	switch {
	case !recent:
		old[key] = word{offset: offset, route: route}
	case route == before.route || route == "" || before.route == "":
		delete(old, key)
	default:
		before.left = true
		old[key] = before
	}
	return nil
}

// rows reads the newest records of the keys again, for what they say.
func (l leftover) rows(ctx context.Context, part *partition, at offsets, keys map[string]word) ([]vanished, error) {
	var out []vanished
	first := at.last
	for _, w := range keys {
		first = min(first, w.offset)
	}
	return out, readTopic(ctx, l.client, part.topic, part.id, first, at.last, func(offset int64, r *kafka.Record) error {
		key, err := kafka.ReadAll(r.Key)
		if err != nil {
			return err
		}
		w, ok := keys[string(key)]
		if !ok || w.offset != offset {
			return nil
		}
		value, err := kafka.ReadAll(r.Value)
		if err != nil {
			return err
		}
		out = append(out, vanished{part: part, key: string(key), row: rowOf(value), left: w.left})
		return nil
	})
}

// elsewhere returns those of the keys that live on in another partition: of all that was told of them since, in any
// partition, the newest is no delete.
func (l leftover) elsewhere(ctx context.Context, parts []*partition, gone []vanished) (map[string]bool, error) {
	keys := map[string]bool{}
	for _, v := range gone {
		keys[v.key] = true
	}
	type state struct {
		at    change.Position
		alive bool
	}
	last := map[string]state{}
	for _, part := range parts {
		if part == gone[0].part {
			continue
		}
		at, err := partitionOffsets(ctx, l.client, part.topic, part.id)
		if err != nil {
			return nil, err
		}
		err = readTopic(ctx, l.client, part.topic, part.id, at.first, at.last, func(_ int64, r *kafka.Record) error {
			key, err := kafka.ReadAll(r.Key)
			if err != nil || !keys[string(key)] {
				return err
			}
			at, err := positionOf(r.Headers)
			if err == nil && at.Commit >= l.since && !last[string(key)].at.After(at) {
				last[string(key)] = state{at, r.Value != nil}
			}
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	alive := map[string]bool{}
	for key, w := range last {
		alive[key] = w.alive
	}
	return alive, nil
}

// positionOf reads where a record stands in the stream; zero for a record that does not say.
func positionOf(headers []kafka.Header) (p change.Position, err error) {
	for _, h := range headers {
		switch h.Key {
		case change.HeaderCommitLSN:
			p.Commit, err = change.ParseLSN(string(h.Value))
		case change.HeaderTxIndex:
			p.Index, err = strconv.ParseUint(string(h.Value), 10, 64)
		}
		if err != nil {
			return p, fmt.Errorf("header %s: %w", h.Key, err)
		}
	}
	return p, nil
}

// rowOf takes the row out of an envelope, with or without a schema around it: as it is, or as it was if it was deleted. What
// is no such JSON has none.
func rowOf(value []byte) map[string]json.RawMessage {
	type images struct {
		Before map[string]json.RawMessage `json:"before"`
		After  map[string]json.RawMessage `json:"after"`
	}
	var envelope struct {
		images
		Payload images `json:"payload"`
	}
	d := json.NewDecoder(bytes.NewReader(value))
	if err := d.Decode(&envelope); err != nil {
		return nil
	}
	for _, row := range []map[string]json.RawMessage{envelope.After, envelope.Payload.After, envelope.Before} {
		if row != nil {
			return row
		}
	}
	return envelope.Payload.Before
}
