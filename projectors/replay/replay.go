// Package replay reads the dead-letter topic and sends parked records again, to the topic and partition where they stood.
//
// `freshet replay` calls it, when what made a record poison is mended. A record that is sent again stands behind newer ones:
// it keeps its position headers, by which every reader knows that it is old where the row has changed since. It carries the
// header "replayed", and is parked again if it still can't be applied. What ingest parked is not on Kafka at all; for that a
// Letter knows the command that reads the row from Postgres anew.
package replay

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/segmentio/kafka-go"

	"freshet/ingest/change"
	"freshet/projectors"
)

// HeaderReplayed is carried by a record that was sent again, and says from which letter: topic@offset.
const HeaderReplayed = "replayed"

// stageIngest is what ingest calls itself in its letters.
const stageIngest = "ingest"

// Letter is a parked record.
type Letter struct {
	Offset                     int64 // on the dead-letter topic
	Stage, Reason, Topic, Time string
	Partition                  int
	RecordOffset               int64 // where the record stood
	Key                        []byte

	truncated bool
	value     []byte
	headers   []kafka.Header // the record's own
}

// Position is the record's place in the log, "" when it has none.
func (l *Letter) Position() string {
	var commit, index string
	for _, h := range l.headers {
		switch h.Key {
		case change.HeaderCommitLSN:
			commit = string(h.Value)
		case change.HeaderTxIndex:
			index = string(h.Value)
		}
	}
	return strings.Trim(commit+":"+index, ":")
}

// Command is what publishes a row anew that ingest parked; "" for a letter that Send is for.
func (l *Letter) Command(prefix string) (string, error) {
	if l.Stage != stageIngest {
		return "", nil
	}
	table := strings.TrimPrefix(l.Topic, prefix+".")
	values, err := keyValues(l.Key)
	if err != nil {
		return "", fmt.Errorf("letter %d: key %q: %w", l.Offset, l.Key, err)
	}
	keys, err := json.Marshal([][]string{values})
	if err != nil {
		return "", fmt.Errorf("letter %d: %w", l.Offset, err)
	}
	return fmt.Sprintf("freshet snapshot %s --keys '%s'", table, strings.ReplaceAll(string(keys), "'", `'\''`)), nil
}

// keyValues returns the values of a key, {"store_id":3,"sku":"a"}, in their order.
func keyValues(key []byte) ([]string, error) {
	decoder := json.NewDecoder(strings.NewReader(string(key)))
	decoder.UseNumber()
	var values []string
	for n := 0; ; n++ {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) && len(values) > 0 {
			return values, nil
		}
		if err != nil {
			return nil, err
		}
		switch token.(type) {
		case json.Delim:
			n--
		default:
			if n%2 == 1 {
				values = append(values, fmt.Sprint(token))
			}
		}
	}
}

// Desk is where the letters lie.
type Desk struct {
	client *kafka.Client
	topic  string
}

// New returns the desk of a prefix. Requests are made when asked.
func New(client *kafka.Client, prefix string) *Desk {
	return &Desk{client: client, topic: change.DeadLetterTopic(prefix)}
}

// Each hands over every letter that is there now, oldest first.
func (d *Desk) Each(ctx context.Context, f func(*Letter) error) error {
	answer, err := d.client.ListOffsets(ctx, &kafka.ListOffsetsRequest{
		Topics: map[string][]kafka.OffsetRequest{d.topic: {kafka.FirstOffsetOf(0), kafka.LastOffsetOf(0)}},
	})
	if err != nil {
		return fmt.Errorf("list offsets of %s: %w", d.topic, err)
	}
	ends := answer.Topics[d.topic]
	if len(ends) != 1 || ends[0].Error != nil {
		return fmt.Errorf("list offsets of %s: the broker answers for %d partitions: %w", d.topic, len(ends), errors.Join(errorsOf(ends)...))
	}
	for next := ends[0].FirstOffset; next < ends[0].LastOffset; {
		after, err := d.fetch(ctx, d.topic, 0, next, func(r *kafka.Record) error {
			letter, err := parse(r)
			if err != nil {
				return err
			}
			return f(letter)
		})
		if err != nil {
			return err
		}
		if after == next {
			return fmt.Errorf("fetch %s@%d: nothing comes", d.topic, next)
		}
		next = after
	}
	return nil
}

func errorsOf(ends []kafka.PartitionOffsets) (errs []error) {
	for _, end := range ends {
		errs = append(errs, end.Error)
	}
	return errs
}

// fetch hands over the records that one request brings from offset on, and returns the offset behind them.
func (d *Desk) fetch(ctx context.Context, topic string, partition int, offset int64, f func(*kafka.Record) error) (next int64, err error) {
	answer, err := d.client.Fetch(ctx, &kafka.FetchRequest{
		Topic: topic, Partition: partition, Offset: offset, MinBytes: 1, MaxBytes: 16 << 20, MaxWait: time.Second,
	})
	if err == nil {
		err = answer.Error
	}
	if err != nil {
		return offset, fmt.Errorf("fetch %s/%d@%d: %w", topic, partition, offset, err)
	}
	for next = offset; ; {
		record, err := answer.Records.ReadRecord()
		if errors.Is(err, io.EOF) {
			return next, nil
		}
		if err != nil {
			return next, fmt.Errorf("read %s/%d@%d: %w", topic, partition, next, err)
		}
		if record.Offset < offset { // a batch comes whole
			continue
		}
		next = record.Offset + 1
		if err := f(record); err != nil {
			return next, fmt.Errorf("%s/%d@%d: %w", topic, partition, record.Offset, err)
		}
	}
}

func parse(r *kafka.Record) (*Letter, error) {
	l := &Letter{Offset: r.Offset, Partition: -1, RecordOffset: -1}
	var err error
	if l.Key, err = kafka.ReadAll(r.Key); err != nil {
		return nil, err
	}
	if l.value, err = kafka.ReadAll(r.Value); err != nil {
		return nil, err
	}
	for _, h := range r.Headers {
		value := string(h.Value)
		switch h.Key {
		case projectors.HeaderDeadStage:
			l.Stage = value
		case projectors.HeaderDeadReason:
			l.Reason = value
		case projectors.HeaderDeadTopic:
			l.Topic = value
		case projectors.HeaderDeadTime:
			l.Time = value
		case projectors.HeaderDeadTruncated:
			l.truncated = value == "true"
		case projectors.HeaderDeadPartition:
			if l.Partition, err = strconv.Atoi(value); err != nil {
				return nil, fmt.Errorf("header %s: %w", h.Key, err)
			}
		case projectors.HeaderDeadOffset:
			if l.RecordOffset, err = strconv.ParseInt(value, 10, 64); err != nil {
				return nil, fmt.Errorf("header %s: %w", h.Key, err)
			}
		case HeaderReplayed:
		default:
			if !strings.HasPrefix(h.Key, "dl_") {
				l.headers = append(l.headers, h)
			}
		}
	}
	return l, nil
}

// Send puts the record on its topic and partition again. It answers an error for a letter of ingest, which holds no record.
func (d *Desk) Send(ctx context.Context, l *Letter) error {
	if l.Stage == stageIngest || l.Topic == "" || l.Partition < 0 {
		return fmt.Errorf("letter %d of stage %s holds no record to send", l.Offset, l.Stage)
	}
	if l.truncated {
		if err := d.original(ctx, l); err != nil {
			return err
		}
	}
	record := kafka.Record{
		Key: bytesOrNil(l.Key), Value: bytesOrNil(l.value),
		Headers: append(l.headers[:len(l.headers):len(l.headers)], kafka.Header{Key: HeaderReplayed, Value: fmt.Appendf(nil, "%s@%d", d.topic, l.Offset)}),
	}
	answer, err := d.client.Produce(ctx, &kafka.ProduceRequest{
		Topic: l.Topic, Partition: l.Partition, RequiredAcks: kafka.RequireAll, Records: kafka.NewRecordReader(record),
	})
	if err == nil {
		err = answer.Error
	}
	if err != nil {
		return fmt.Errorf("send letter %d to %s/%d: %w", l.Offset, l.Topic, l.Partition, err)
	}
	return nil
}

// errFound ends a fetch that has what it wants.
var errFound = errors.New("found")

// original reads the value of a letter that was too large to hold it, from where the record stands.
func (d *Desk) original(ctx context.Context, l *Letter) error {
	_, err := d.fetch(ctx, l.Topic, l.Partition, l.RecordOffset, func(r *kafka.Record) error {
		if r.Offset != l.RecordOffset {
			return errors.New("the record is no longer kept")
		}
		var err error
		if l.value, err = kafka.ReadAll(r.Value); err != nil {
			return err
		}
		return errFound
	})
	if errors.Is(err, errFound) {
		return nil
	}
	if err == nil {
		err = errors.New("the record does not come")
	}
	return fmt.Errorf("letter %d: %w", l.Offset, err)
}

func bytesOrNil(b []byte) kafka.Bytes {
	if b == nil {
		return nil
	}
	return kafka.NewBytes(b)
}
