package projectors

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"freshet/ingest/change"
)

// Names of the headers that a parked record carries beside its own.
const (
	HeaderDeadTopic     = "dl_topic"     // where the record stood
	HeaderDeadPartition = "dl_partition" // decimal
	HeaderDeadOffset    = "dl_offset"    // decimal
	HeaderDeadStage     = "dl_stage"     // who could not apply it
	HeaderDeadReason    = "dl_reason"    // why not, for people
	HeaderDeadTime      = "dl_time"      // when, RFC 3339
	HeaderDeadTruncated = "dl_truncated" // "true" when the value was too large to be parked: it is where dl_offset says
)

// maxReason bounds the reason's header: it may quote a document.
const maxReason = 4 << 10

// park writes the poison records to the dead-letter topic and returns the batch without them. A crash between this and
// the commit parks them again: who reads dead letters knows them by their position.
func (w *worker) park(ctx context.Context, batch []Record, poison *Poison) ([]Record, error) {
	type place struct {
		topic  string
		offset int64
	}
	reasons := make(map[place]error, len(poison.Records))
	for _, p := range poison.Records {
		reasons[place{p.Record.Topic, p.Record.Offset}] = p.Reason
	}
	var letters []Message
	rest := make([]Record, 0, len(batch))
	for _, r := range batch {
		reason, bad := reasons[place{r.Topic, r.Offset}]
		if !bad {
			rest = append(rest, r)
			continue
		}
		letters = append(letters, w.letter(r, reason))
	}
	if len(letters) == 0 {
		return nil, fmt.Errorf("the handler of %s names poison records that are not in its batch: %w", w.stage.Name, poison)
	}
	if err := w.publishLetters(ctx, letters); err != nil {
		return nil, fmt.Errorf("park %d records: %w", len(letters), err)
	}
	for _, p := range poison.Records {
		w.metrics.parked.WithLabelValues(w.stage.Name, p.Record.Topic, reasonKind(p.Reason)).Inc()
		w.logger.Error("a record can't be applied and was parked", "topic", p.Record.Topic, "partition", p.Record.Partition,
			"offset", p.Record.Offset, "error", p.Reason)
	}
	return rest, nil
}

// publishLetters leaves out the values of letters that are too large: the record itself stays where its headers point.
func (w *worker) publishLetters(ctx context.Context, letters []Message) error {
	for {
		_, err := w.producer.Publish(ctx, letters)
		var oversize *OversizeError
		if !errors.As(err, &oversize) {
			return err
		}
		for _, i := range oversize.Indexes {
			if letters[i].Value == nil {
				return err
			}
			letters[i].Value = nil
			letters[i].Headers = append(letters[i].Headers, change.Header{Key: HeaderDeadTruncated, Value: []byte("true")})
		}
	}
}

func (w *worker) letter(r Record, reason error) Message {
	text := []byte("no reason given")
	if reason != nil {
		text = []byte(reason.Error())
	}
	headers := append(slices.Clone(r.Headers),
		change.Header{Key: HeaderDeadTopic, Value: []byte(r.Topic)},
		change.Header{Key: HeaderDeadPartition, Value: strconv.AppendInt(nil, int64(r.Partition), 10)},
		change.Header{Key: HeaderDeadOffset, Value: strconv.AppendInt(nil, r.Offset, 10)},
		change.Header{Key: HeaderDeadStage, Value: []byte(w.stage.Name)},
		change.Header{Key: HeaderDeadReason, Value: text[:min(len(text), maxReason)]},
		change.Header{Key: HeaderDeadTime, Value: time.Now().UTC().AppendFormat(nil, time.RFC3339Nano)},
	)
	return Message{Topic: change.DeadLetterTopic(w.config.Prefix), Key: r.Key, Value: r.Value, Headers: headers}
}
