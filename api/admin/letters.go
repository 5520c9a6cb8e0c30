package admin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/segmentio/kafka-go"

	"freshet/ingest/change"
	"freshet/projectors"
)

// fetchBytes is how much of the topic one request answers with.
const fetchBytes = 4 << 20

// maxKeyShown bounds the key in an answer; keys are a few numbers.
const maxKeyShown = 1 << 10

// DeadLetters is the answer: how many records are parked, and the newest of them.
type DeadLetters struct {
	Parked  int64    `json:"parked"`
	Letters []Letter `json:"letters"`
}

// Letter is a parked record: who could not apply it and why, where it stands, and how large it is. The value stays on the
// topic: it may be anything.
type Letter struct {
	Offset       int64  `json:"offset"`
	Stage        string `json:"stage"`
	Reason       string `json:"reason"`
	Topic        string `json:"topic,omitempty"`
	Partition    int    `json:"partition"`
	RecordOffset int64  `json:"record_offset"`
	Position     string `json:"position,omitempty"`
	Time         string `json:"time,omitempty"`
	Key          string `json:"key"`
	ValueBytes   int    `json:"value_bytes"`
	Truncated    bool   `json:"truncated,omitempty"`
}

// Letters reads the dead-letter topic.
type Letters struct {
	client *kafka.Client
	topic  string
}

// NewLetters returns a reader of the topic of that prefix. Requests are made when asked, each on its own.
func NewLetters(brokers []string, prefix string, transport kafka.RoundTripper) *Letters {
	return &Letters{client: &kafka.Client{Addr: kafka.TCP(brokers...), Transport: transport}, topic: change.DeadLetterTopic(prefix)}
}

// Newest returns how many letters there are and the newest of them, newest first.
func (l *Letters) Newest(ctx context.Context, limit int) (parked int64, letters []Letter, err error) {
	answer, err := l.client.ListOffsets(ctx, &kafka.ListOffsetsRequest{
		Topics: map[string][]kafka.OffsetRequest{l.topic: {kafka.FirstOffsetOf(0), kafka.LastOffsetOf(0)}},
	})
	if err != nil {
		return 0, nil, fmt.Errorf("list offsets of %s: %w", l.topic, err)
	}
	partitions := answer.Topics[l.topic]
	if len(partitions) == 0 {
		return 0, nil, fmt.Errorf("list offsets of %s: %w", l.topic, kafka.UnknownTopicOrPartition)
	}
	if err := partitions[0].Error; err != nil {
		return 0, nil, fmt.Errorf("list offsets of %s: %w", l.topic, err)
	}
	first, end := partitions[0].FirstOffset, partitions[0].LastOffset
	letters = []Letter{}
	for next := max(first, end-int64(limit)); next < end; {
		some, after, err := l.fetch(ctx, next)
		if err != nil {
			return 0, nil, err
		}
		letters, next = append(letters, some...), max(after, next+1)
	}
	slices.Reverse(letters)
	return end - first, letters[:min(limit, len(letters))], nil
}

// fetch returns the letters from the offset on that one request brings, and the offset after them.
func (l *Letters) fetch(ctx context.Context, offset int64) (letters []Letter, next int64, err error) {
	answer, err := l.client.Fetch(ctx, &kafka.FetchRequest{Topic: l.topic, Offset: offset, MinBytes: 1, MaxBytes: fetchBytes, MaxWait: 100 * time.Millisecond})
	if err == nil {
		err = answer.Error
	}
	if err != nil {
		return nil, offset, fmt.Errorf("fetch %s@%d: %w", l.topic, offset, err)
	}
	next = offset
	for {
		record, err := answer.Records.ReadRecord()
		if errors.Is(err, io.EOF) {
			return letters, next, nil
		}
		if err != nil {
			return nil, next, fmt.Errorf("read %s@%d: %w", l.topic, next, err)
		}
		if record.Offset < offset { // a batch is delivered whole, also when it begins before what we asked for
			continue
		}
		one, err := letter(record)
		if err != nil {
			return nil, next, fmt.Errorf("read %s@%d: %w", l.topic, record.Offset, err)
		}
		letters, next = append(letters, one), record.Offset+1
	}
}

func letter(r *kafka.Record) (Letter, error) {
	key, err := kafka.ReadAll(r.Key)
	if err != nil {
		return Letter{}, err
	}
	value, err := kafka.ReadAll(r.Value)
	if err != nil {
		return Letter{}, err
	}
	headers := map[string]string{}
	for _, h := range r.Headers {
		headers[h.Key] = strings.ToValidUTF8(string(h.Value), "�")
	}
	l := Letter{
		Offset: r.Offset, Stage: headers[projectors.HeaderDeadStage], Reason: headers[projectors.HeaderDeadReason],
		Topic: headers[projectors.HeaderDeadTopic], Time: headers[projectors.HeaderDeadTime],
		Key: strings.ToValidUTF8(string(key[:min(len(key), maxKeyShown)]), "�"), ValueBytes: len(value),
		Truncated: headers[projectors.HeaderDeadTruncated] == "true",
	}
	// Numbers that don't read as such are left at zero: a letter is shown whatever state it is in.
	l.Partition, _ = strconv.Atoi(headers[projectors.HeaderDeadPartition])
	l.RecordOffset, _ = strconv.ParseInt(headers[projectors.HeaderDeadOffset], 10, 64)
	if commit := headers[change.HeaderCommitLSN]; commit != "" {
		l.Position = commit + ":" + headers[change.HeaderTxIndex]
	}
	return l, nil
}
