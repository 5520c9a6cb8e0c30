package progress

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/segmentio/kafka-go"

	"freshet/ingest/change"
)

const (
	fetchBytes   = 4 << 20
	fetchTimeout = 10 * time.Second // beyond MaxWait: a broker that does not answer at all
	minPause     = 50 * time.Millisecond
	maxPause     = 2 * time.Second
)

// Run follows the topic until the context ends, which is no error. It rides out every failure of the brokers, a topic
// that does not exist yet among them.
func (t *Tracker) Run(ctx context.Context) error {
	if t.own != nil {
		defer t.own.CloseIdleConnections()
	}
	const unknown = -1
	next, end, pause := int64(unknown), int64(unknown), minPause
	behind := true
	for ctx.Err() == nil {
		var err error
		if next == unknown {
			next, end, err = t.start(ctx)
		}
		if err == nil {
			next, err = t.fetch(ctx, next)
		}
		switch {
		case err == nil:
			pause = minPause
			if behind {
				if next < end { // old news, and more of it is there already
					continue
				}
				behind = false
				close(t.current)
			}
			// Whoever waits loses little by it, and a busy topic is read in tens of fetches a second instead of hundreds.
			if !sleep(ctx, t.config.Pause) {
				return nil
			}
			continue
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, kafka.OffsetOutOfRange):
			// We were away longer than the topic keeps its records. Progress is a statement, not data: the next full records
			// say it all again.
			t.missed()
			next = unknown
		}
		t.logger.Warn("the progress topic can't be read, trying again", "topic", t.topic, "offset", next, "pause", pause, "error", err)
		if !sleep(ctx, pause) {
			return nil
		}
		pause = min(2*pause, maxPause)
	}
	return nil
}

func (t *Tracker) missed() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.board.forget()
}

// start returns the offset to begin at, far enough back to hear a full record of every live stage, and where the topic ends.
func (t *Tracker) start(ctx context.Context) (begin, end int64, err error) {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	answer, err := t.client.ListOffsets(ctx, &kafka.ListOffsetsRequest{
		Topics: map[string][]kafka.OffsetRequest{t.topic: {kafka.FirstOffsetOf(0), kafka.LastOffsetOf(0)}},
	})
	if err != nil {
		return -1, -1, fmt.Errorf("list offsets of %s: %w", t.topic, err)
	}
	partitions := answer.Topics[t.topic]
	if len(partitions) == 0 {
		return -1, -1, fmt.Errorf("list offsets of %s: %w", t.topic, kafka.UnknownTopicOrPartition)
	}
	if err := partitions[0].Error; err != nil {
		return -1, -1, fmt.Errorf("list offsets of %s: %w", t.topic, err)
	}
	first, last := partitions[0].FirstOffset, partitions[0].LastOffset
	return max(first, last-t.config.LookBack), last, nil
}

// fetch absorbs what stands at the offset, waiting for it when there is nothing, and returns the offset after it.
func (t *Tracker) fetch(ctx context.Context, offset int64) (int64, error) {
	ctx, cancel := context.WithTimeout(ctx, t.config.MaxWait+fetchTimeout)
	defer cancel()
	answer, err := t.client.Fetch(ctx, &kafka.FetchRequest{
		Topic: t.topic, Offset: offset, MinBytes: 1, MaxBytes: fetchBytes, MaxWait: t.config.MaxWait,
	})
	if err == nil {
		err = answer.Error
	}
	if err != nil {
		return offset, fmt.Errorf("fetch %s@%d: %w", t.topic, offset, err)
	}
	records, next, err := read(answer.Records, offset)
	t.absorb(records)
	if err != nil {
		return next, fmt.Errorf("read %s@%d: %w", t.topic, next, err)
	}
	return next, nil
}

// read decodes the records from the offset on and returns the offset after the last; with an error, the offset to go on at.
func read(reader kafka.RecordReader, offset int64) (records []change.Progress, next int64, err error) {
	for {
		record, err := reader.ReadRecord()
		if errors.Is(err, io.EOF) {
			return records, offset, nil
		}
		if err != nil {
			return records, offset, err
		}
		value, err := kafka.ReadAll(record.Value)
		if err != nil {
			return records, offset, err
		}
		if record.Offset < offset { // a batch is delivered whole, also when it begins before what we asked for
			continue
		}
		offset = record.Offset + 1
		p, err := change.DecodeProgress(value)
		if err != nil {
			p = change.Progress{} // of no stage: absorb reports it and takes the consequence
		}
		records = append(records, p)
	}
}

// sleep waits and says whether the time passed before the context ended.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
