// Package replay reads the dead-letter topic and sends parked records again, to the topic and partition where they stood.
//
// `freshet replay` and the admin API call it, when what made a record poison is mended. A record that is sent again stands behind newer ones:
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

	"github.com/segmentio/kafka-go"

	"freshet/ingest/change"
	"freshet/projectors"
	"freshet/projectors/tail"
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

	// Truncated says that the value was too large to be parked and stands only where the record does.
	Truncated bool

	value   []byte
	headers []kafka.Header // the record's own
}

// Size is how many bytes the letter holds of the value.
func (l *Letter) Size() int { return len(l.value) }

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
	reader *tail.Reader
	topic  string
}

// New returns the desk of a prefix. Requests are made when asked.
func New(client *kafka.Client, prefix string) *Desk {
	return &Desk{client: client, reader: tail.New(client), topic: change.DeadLetterTopic(prefix)}
}

// ErrNotKept is wrapped by the error for a letter that the topic does not hold.
var ErrNotKept = errors.New("there is no such letter, or it is no longer kept")

// Ends returns the offset of the oldest letter and the one behind the newest.
func (d *Desk) Ends(ctx context.Context) (first, end int64, err error) {
	return d.reader.Ends(ctx, d.topic, 0)
}

// Each hands over every letter that is there now, oldest first.
func (d *Desk) Each(ctx context.Context, f func(*Letter) error) error {
	first, end, err := d.Ends(ctx)
	if err != nil {
		return err
	}
	return d.From(ctx, first, end, f)
}

// From hands over the letters from an offset on, up to the end that is given.
func (d *Desk) From(ctx context.Context, from, end int64, f func(*Letter) error) error {
	return d.reader.Each(ctx, d.topic, 0, from, end, func(r projectors.Record) error {
		letter, err := parse(r)
		if err != nil {
			return err
		}
		return f(letter)
	})
}

// At returns the letter at an offset.
func (d *Desk) At(ctx context.Context, offset int64) (*Letter, error) {
	first, end, err := d.Ends(ctx)
	if err != nil {
		return nil, err
	}
	if offset < first || offset >= end {
		return nil, fmt.Errorf("letter %d: %w", offset, ErrNotKept)
	}
	var found *Letter
	err = d.From(ctx, offset, offset+1, func(l *Letter) error { found = l; return nil })
	if err == nil && found == nil {
		err = fmt.Errorf("letter %d: %w", offset, ErrNotKept)
	}
	return found, err
}

func parse(r projectors.Record) (*Letter, error) {
	l := &Letter{Offset: r.Offset, Key: r.Key, Partition: -1, RecordOffset: -1, value: r.Value}
	for _, h := range r.Headers {
		value := string(h.Value)
		var err error
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
			l.Truncated = value == "true"
		case projectors.HeaderDeadPartition:
			l.Partition, err = strconv.Atoi(value)
		case projectors.HeaderDeadOffset:
			l.RecordOffset, err = strconv.ParseInt(value, 10, 64)
		case HeaderReplayed:
		default:
			if !strings.HasPrefix(h.Key, "dl_") {
				l.headers = append(l.headers, kafka.Header{Key: h.Key, Value: h.Value})
			}
		}
		if err != nil {
			return nil, fmt.Errorf("header %s: %w", h.Key, err)
		}
	}
	return l, nil
}

// Send puts the record on its topic and partition again. It answers an error for a letter of ingest, which holds no record.
func (d *Desk) Send(ctx context.Context, l *Letter) error {
	if l.Stage == stageIngest || l.Topic == "" || l.Partition < 0 {
		return fmt.Errorf("letter %d of stage %s holds no record to send", l.Offset, l.Stage)
	}
	if l.Truncated {
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

// original reads the value of a letter that was too large to hold it, from where the record stands.
func (d *Desk) original(ctx context.Context, l *Letter) error {
	found := false
	err := d.reader.Each(ctx, l.Topic, l.Partition, l.RecordOffset, l.RecordOffset+1, func(r projectors.Record) error {
		l.value, found = r.Value, true
		return nil
	})
	if err == nil && !found {
		err = errors.New("the record is no longer kept")
	}
	if err != nil {
		return fmt.Errorf("letter %d: %w", l.Offset, err)
	}
	return nil
}

func bytesOrNil(b []byte) kafka.Bytes {
	if b == nil {
		return nil
	}
	return kafka.NewBytes(b)
}
