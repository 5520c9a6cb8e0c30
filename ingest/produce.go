package ingest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/produce"
	"github.com/segmentio/kafka-go/protocol/rawproduce"
)

const (
	produceTimeout = 20 * time.Second
	// goneAfter is how long a topic may be unknown before it counts as deleted; a new or moving one is for a moment.
	goneAfter = 15 * time.Second
)

// errUnanswered is of a batch that the answer to its request does not mention.
var errUnanswered = errors.New("the broker's answer leaves the partition out")

// deliver sends a batch until Kafka has acknowledged it and returns the offset behind it. The same bytes go again after
// a failure, in place, so that the order within the partition holds; consumers know repeated records by their position.
func (p *publisher) deliver(part *partition, b *batch) (next int64, err error) {
	wire, err := b.seal(p.config.Compression)
	if err != nil {
		return 0, err
	}
	base, err := p.produce(part, wire)
	if isRefusal(err) {
		return p.deliverApart(part, b, err)
	}
	return base + int64(b.count), err
}

func (p *publisher) produce(part *partition, wire []byte) (base int64, err error) {
	began := time.Now()
	for wait := 10 * time.Millisecond; ; wait = min(2*wait, 2*time.Second) {
		base, err = p.courier.carry(p.ctx, place{part.topic, part.id}, wire)
		switch {
		case err == nil:
			return base, p.verifyBase(part, base)
		case isRefusal(err), p.ctx.Err() != nil:
			return 0, err
		case isUnknown(err) && time.Since(began) > goneAfter:
			return 0, fmt.Errorf("topic %s is gone: %w", part.topic, err)
		}
		p.metrics.retries.Inc()
		p.logRetry(part, err, began)
		if !sleep(p.ctx, wait) {
			return 0, err
		}
	}
}

// logRetry speaks up only when a failure lasts: a moved leader is none of the operator's business.
func (p *publisher) logRetry(part *partition, err error, began time.Time) {
	if lasts := time.Since(began); lasts > 2*time.Second {
		p.config.Logger.Warn("Kafka does not take a batch, trying again",
			"topic", part.topic, "partition", part.id, "error", err, "since", lasts.Round(time.Second))
	}
}

// parcel is a batch on its way to a partition, and what became of it.
type parcel struct {
	place
	wire []byte
	base int64 // offset of its first record
	err  error
}

// produceRaw sends one batch to a topic of one partition.
func produceRaw(ctx context.Context, client *kafka.Client, topic string, wire []byte) error {
	p := &parcel{place: place{topic, 0}, wire: wire}
	produceTogether(ctx, client, p)
	return p.err
}

// produceTogether sends the batches in one request, which must be for one broker, and notes in each what became of it.
func produceTogether(ctx context.Context, client *kafka.Client, parcels ...*parcel) {
	ctx, cancel := context.WithTimeout(ctx, produceTimeout)
	defer cancel()
	message, err := client.Transport.RoundTrip(ctx, client.Addr, produceRequest(parcels))
	answers := map[place]produce.ResponsePartition{}
	if answer, ok := message.(*produce.Response); ok {
		for _, t := range answer.Topics {
			for _, part := range t.Partitions {
				answers[place{t.Topic, int(part.Partition)}] = part
			}
		}
	}
	for _, p := range parcels {
		part, answered := answers[p.place]
		switch {
		case err != nil:
			p.err = err
		case !answered:
			p.err = errUnanswered
		case part.ErrorCode != 0 && part.ErrorMessage != "":
			p.err = fmt.Errorf("%w: %s", kafka.Error(part.ErrorCode), part.ErrorMessage)
		case part.ErrorCode != 0:
			p.err = kafka.Error(part.ErrorCode)
		}
		if p.base = part.BaseOffset; p.err != nil {
			p.err = fmt.Errorf("produce to %s/%d: %w", p.topic, p.id, p.err)
		}
	}
}

func produceRequest(parcels []*parcel) *rawproduce.Request {
	// The broker is given half the time, so that its answer comes before we give up.
	request := &rawproduce.Request{Acks: int16(kafka.RequireAll), Timeout: int32((produceTimeout / 2).Milliseconds())}
	at := map[string]int{} // of the topic in the request
	for _, p := range parcels {
		i, there := at[p.topic]
		if !there {
			i = len(request.Topics)
			at[p.topic] = i
			request.Topics = append(request.Topics, rawproduce.RequestTopic{Topic: p.topic})
		}
		t := &request.Topics[i]
		t.Partitions = append(t.Partitions, rawproduce.RequestPartition{
			Partition: int32(p.id), RecordSet: protocol.RawRecordSet{Reader: bytes.NewReader(p.wire)},
		})
	}
	return request
}

// isUnknown says whether the broker, or kafka-go's picture of the cluster, does not know the topic.
func isUnknown(err error) bool {
	return errors.Is(err, kafka.UnknownTopicOrPartition) || errors.Is(err, protocol.ErrNoTopic) || errors.Is(err, protocol.ErrNoPartition)
}

// isRefusal says whether the broker will never take these bytes.
func isRefusal(err error) bool {
	return errors.Is(err, kafka.MessageSizeTooLarge) || errors.Is(err, kafka.RecordListTooLarge) || errors.Is(err, kafka.InvalidMessageSize) || errors.Is(err, kafka.InvalidRecord)
}

// deliverApart sends a refused batch's records one by one and parks those that are refused alone.
func (p *publisher) deliverApart(part *partition, b *batch, refusal error) (next int64, err error) {
	records, err := b.records()
	if err != nil {
		return 0, err
	}
	if len(records) == 1 {
		return part.next, p.parkRefused(part, &records[0], refusal)
	}
	single := &batch{}
	next = part.next
	for i := range records {
		single.reset()
		single.add(&records[i], time.UnixMilli(b.base))
		wire, err := single.seal(p.config.Compression)
		if err != nil {
			return 0, err
		}
		base, err := p.produce(part, wire)
		switch {
		case isRefusal(err):
			err = p.parkRefused(part, &records[i], err)
		case err == nil:
			next = base + 1
		}
		if err != nil {
			return 0, err
		}
	}
	return next, nil
}

// parkRefused writes to the dead-letter topic at once, outside its queue: the record's own partition waits for it.
func (p *publisher) parkRefused(part *partition, r *record, refusal error) error {
	letter := deadLetter{topic: part.topic, partition: part.id, position: positionHeaders(r.headers), key: r.key, reason: refusal.Error(), size: len(r.key) + len(r.value)}
	parked := letter.record()
	single := &batch{}
	single.reset()
	single.add(&parked, time.Now())
	wire, err := single.seal(p.config.Compression)
	if err != nil {
		return err
	}
	p.metrics.deadLetters.Inc()
	p.config.Logger.Error("record parked", "topic", part.topic, "partition", part.id, "key", string(r.key), "reason", letter.reason)
	_, err = p.produce(p.dead, wire)
	return err
}
