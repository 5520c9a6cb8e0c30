package projectors

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/segmentio/kafka-go"
)

const (
	// produceTimeout is the client's; the broker is told half of it. The default of half a second would make a slow replica
	// look like a failure, and every such failure repeats a batch.
	produceTimeout  = 20 * time.Second
	produceRetryMin = 20 * time.Millisecond
	produceRetryMax = 2 * time.Second
)

// publish sends a part in its partition's turn, batch after batch.
func (p *Producer) publish(ctx context.Context, part *part) error {
	l := part.lane
	select {
	case l.turn <- struct{}{}:
		defer func() { <-l.turn }()
	case <-ctx.Done():
		return fmt.Errorf("publish to %s/%d: %w", l.name, l.partition, context.Cause(ctx))
	}
	for first := 0; first < len(part.messages); {
		last, bytes := first, 0
		for last < len(part.messages) && (last == first || bytes+part.messages[last].size() <= p.maxBytes) {
			bytes += part.messages[last].size()
			last++
		}
		if err := p.send(ctx, part, first, last); err != nil {
			return err
		}
		first = last
	}
	return nil
}

// send repeats one batch until the broker has it, halving it where the broker finds it too large.
func (p *Producer) send(ctx context.Context, part *part, first, last int) error {
	l := part.lane
	pause := newBackoff(produceRetryMin, produceRetryMax)
	for {
		id, _ := l.known()
		answer, err := p.client.Produce(ctx, &kafka.ProduceRequest{
			Topic: l.name, Partition: l.partition, RequiredAcks: kafka.RequireAll, Compression: p.compression,
			Records: kafka.NewRecordReader(records(part.messages[first:last])...),
		})
		if err == nil {
			err = answer.Error
		}
		switch {
		case err == nil:
			return p.landed(ctx, l, id, answer.BaseOffset, answer.BaseOffset+int64(last-first))
		case errors.Is(err, kafka.MessageSizeTooLarge) || errors.Is(err, kafka.RecordListTooLarge):
			return p.halve(ctx, part, first, last)
		}
		if p.retries != nil {
			p.retries.WithLabelValues(l.name).Inc()
		}
		if pause.loud() && ctx.Err() == nil {
			p.logger.Warn("publishing failed, sending the same batch again", "topic", l.name, "partition", l.partition, "records", last-first, "error", err)
		}
		if !pause.wait(ctx) {
			return fmt.Errorf("publish to %s/%d: %w: last error: %w", l.name, l.partition, context.Cause(ctx), err)
		}
	}
}

func (p *Producer) halve(ctx context.Context, part *part, first, last int) error {
	if last-first == 1 {
		return &OversizeError{Indexes: part.indexes[first:last]}
	}
	middle := (first + last) / 2
	if err := p.send(ctx, part, first, middle); err != nil {
		return err
	}
	return p.send(ctx, part, middle, last)
}

// records makes a batch; it is made anew for each attempt, since sending consumes it.
func records(messages []Message) []kafka.Record {
	now := time.Now()
	batch := make([]kafka.Record, len(messages))
	for i, m := range messages {
		batch[i] = kafka.Record{Time: now, Key: kafka.NewBytes(m.Key), Value: kafka.NewBytes(m.Value)}
		for _, h := range m.Headers {
			batch[i].Headers = append(batch[i].Headers, kafka.Header{Key: h.Key, Value: h.Value})
		}
	}
	return batch
}
