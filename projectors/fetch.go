package projectors

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol/fetch"

	"freshet/ingest/change"
)

// fetchGrace is how long a fetch may take beyond the time the broker was asked to hold it.
const fetchGrace = 10 * time.Second

// OffsetRangeError says that a topic no longer holds the record a stage has to read next: it was deleted before it was
// read, or the topic was made anew. Going on would lose changes silently, so the stage stops.
type OffsetRangeError struct {
	Stage       string
	Topic       string
	Partition   int
	Offset      int64  // to be read next
	First, Next int64  // what the topic holds: from First up to but without Next; -1 when that could not be learnt
	Deleted     bool   // the topic is not there at all
	Remade      bool   // it is another topic of that name
	Repair      string // command that makes the read model right again
}

func (e *OffsetRangeError) Error() string {
	why := fmt.Sprintf("but holds %d to %d: retention has overtaken the stage, or the topic was made anew; nothing was skipped. To repair:", e.First, e.Next)
	switch {
	case e.Remade:
		why = fmt.Sprintf("but the topic was made anew; nothing was skipped (it holds %d to %d). To repair:", e.First, e.Next)
	case e.Deleted:
		why = "but the topic is gone. To repair: `freshet ingest --resnapshot` makes it again if it is a table's, others make theirs when they start; then"
	}
	return fmt.Sprintf("stage %s: %s/%d has to be read on from offset %d, %s `freshet stage replay %s --since beginning`, start the process again, then `%s`",
		e.Stage, e.Topic, e.Partition, e.Offset, why, e.Stage, cmp.Or(e.Repair, "freshet audit --repair"))
}

// cursor is where a fetcher stands in one topic.
type cursor struct {
	topic   string
	offset  int64
	unknown time.Time // since when the broker does not know the topic; zero while it does
}

// gone says whether the broker has not known the topic for long.
func (c *cursor) gone(err error, after time.Duration) bool {
	switch {
	case !errors.Is(err, kafka.UnknownTopicOrPartition):
		c.unknown = time.Time{}
	case c.unknown.IsZero():
		c.unknown = time.Now()
	}
	return !c.unknown.IsZero() && time.Since(c.unknown) > after
}

// fetcher reads one partition number of several topics: one long-polling request per broker at a time, whatever the number
// of topics, so that many idle partitions cost little. kafka.Client.Fetch asks for one partition at a time; this builds
// the same request with all of them.
type fetcher struct {
	*generation
	partition int
	cursors   []*cursor
	ledger    *ledger
	due       *due
	out       chan []Record // capacity 1: one answer ready, one on the way
	// aheadOf, if not nil, is the queue that this one reads ahead of: hot records alone, while bulk waits there.
	aheadOf *queue
}

// run fetches until the context ends, which is no error. It rides out all failures but an offset out of range.
func (f *fetcher) run(ctx context.Context) error {
	pause := newBackoff(f.config.RetryMin, min(time.Second, f.config.RetryMax))
	for {
		began := time.Now()
		err := f.poll(ctx)
		if ctx.Err() != nil {
			return nil
		}
		var gone *OffsetRangeError
		if errors.As(err, &gone) {
			f.metrics.outOfRange.WithLabelValues(f.stage.Name, gone.Topic, strconv.Itoa(gone.Partition)).Inc()
			return gone
		}
		if time.Since(began) > time.Minute { // it had worked
			pause = newBackoff(f.config.RetryMin, min(time.Second, f.config.RetryMax))
		}
		f.metrics.fetchErrors.WithLabelValues(f.stage.Name, strconv.Itoa(f.partition)).Inc()
		if pause.loud() {
			f.logger.Warn("fetching failed, trying again", "partition", f.partition, "error", err)
		}
		if !pause.wait(ctx) {
			return nil
		}
	}
}

// poll fetches from each leader until something fails; then the leaders are looked up again.
func (f *fetcher) poll(life context.Context) error {
	leaders, err := f.leaders(life)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(life)
	defer cancel(nil)
	var wg sync.WaitGroup
	for _, cursors := range leaders {
		wg.Go(func() {
			for turn := 0; f.mayFetch(ctx, cursors); turn++ {
				began := time.Now()
				n, err := f.fetch(ctx, life, cursors, turn)
				if err != nil {
					cancel(err)
				}
				f.breathe(ctx, began, n)
			}
		})
	}
	wg.Wait()
	return context.Cause(ctx)
}

const (
	// trickle is up to how many records a fetch leaves the broker alone for a while.
	trickle = 200
	// fetchLead is how long before the worker may begin its next batch fetching goes on: a few fetches.
	fetchLead = 20 * time.Millisecond
)

// breathe keeps two fetches apart. Under a steady trickle a fetch would come back with one record each time, and the
// requests would cost more than the records; what comes while the worker gathers may wait at the broker until it is about to
// begin. A backlog is fetched without a stop.
func (f *fetcher) breathe(ctx context.Context, began time.Time, records int) {
	d := f.config.FetchPause - time.Since(began)
	if records <= trickle {
		d = max(d, time.Until(f.due.at())-fetchLead)
	}
	if d <= 0 {
		return
	}
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// leaders groups the cursors by the broker that leads their partition.
func (f *fetcher) leaders(ctx context.Context) (map[int][]*cursor, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	topics := make([]string, len(f.cursors))
	for i, c := range f.cursors {
		topics[i] = c.topic
	}
	answer, err := f.client.Metadata(ctx, &kafka.MetadataRequest{Topics: topics})
	if err != nil {
		return nil, fmt.Errorf("metadata: %w", err)
	}
	leaders := make(map[int][]*cursor)
	for i, t := range answer.Topics {
		c := f.cursors[i]
		leader, err := leaderOf(t, f.partition)
		if c.gone(err, f.config.GoneAfter) {
			return nil, &OffsetRangeError{
				Stage: f.stage.Name, Topic: c.topic, Partition: f.partition, Offset: c.offset, First: -1, Next: -1, Deleted: true, Repair: f.stage.Repair,
			}
		}
		if err != nil {
			return nil, fmt.Errorf("leader of %s/%d: %w", t.Name, f.partition, err)
		}
		leaders[leader] = append(leaders[leader], c)
	}
	return leaders, nil
}

func leaderOf(t kafka.Topic, partition int) (int, error) {
	if t.Error != nil {
		return 0, t.Error
	}
	for _, p := range t.Partitions {
		if p.ID == partition {
			return p.Leader.ID, p.Error
		}
	}
	return 0, kafka.UnknownTopicOrPartition
}

// fetch makes one request, hands its records on and says how many they are. The topics take turns at being first: a broker fills its answer in
// the order of the request, and guarantees only the first one progress when a record is larger than PartitionBytes.
//
// What was fetched is handed on for the fetcher's life, not just for this poll: another leader's failure must not drop
// records that the cursors have moved past.
func (f *fetcher) fetch(ctx, life context.Context, cursors []*cursor, turn int) (records int, err error) {
	request := &fetch.Request{
		ReplicaID: -1, MaxWaitTime: int32(f.config.FetchWait.Milliseconds()), MinBytes: 1,
		MaxBytes: int32(f.config.FetchBytes), SessionID: -1, SessionEpoch: -1,
	}
	for i := range cursors {
		c := cursors[(i+turn)%len(cursors)]
		request.Topics = append(request.Topics, fetch.RequestTopic{Topic: c.topic, Partitions: []fetch.RequestPartition{{
			Partition: int32(f.partition), CurrentLeaderEpoch: -1, FetchOffset: c.offset, LogStartOffset: -1,
			PartitionMaxBytes: int32(f.config.PartitionBytes),
		}}})
	}
	bounded, cancel := context.WithTimeout(ctx, f.config.FetchWait+fetchGrace)
	defer cancel()
	answer, err := f.transport.RoundTrip(bounded, f.client.Addr, request)
	if err != nil {
		return 0, fmt.Errorf("fetch: %w", err)
	}
	response, ok := answer.(*fetch.Response)
	if !ok {
		return 0, fmt.Errorf("fetch: the answer is a %T", answer)
	}
	batch, failure := f.absorb(ctx, cursors, response)
	if len(batch) > 0 {
		select {
		case f.out <- batch:
		case <-life.Done():
			return 0, context.Cause(life)
		}
	}
	return len(batch), failure
}

// absorb returns the records of all topics that have some, and the first failure of another.
func (f *fetcher) absorb(ctx context.Context, cursors []*cursor, answer *fetch.Response) (batch []Record, failure error) {
	if answer.ErrorCode != 0 {
		return nil, fmt.Errorf("fetch: %w", kafka.Error(answer.ErrorCode))
	}
	for i := range answer.Topics {
		t := &answer.Topics[i]
		for _, c := range cursors {
			if c.topic != t.Topic || len(t.Partitions) == 0 {
				continue
			}
			var err error
			if batch, err = f.take(ctx, c, &t.Partitions[0], batch); err != nil && failure == nil {
				failure = err
			}
		}
	}
	f.metrics.lag.WithLabelValues(f.stage.Name, strconv.Itoa(f.partition)).Set(float64(f.ledger.lag()))
	return batch, failure
}

// take appends the records of one topic and moves its cursor.
func (f *fetcher) take(ctx context.Context, c *cursor, p *fetch.ResponsePartition, batch []Record) ([]Record, error) {
	if code := kafka.Error(p.ErrorCode); errors.Is(code, kafka.OffsetOutOfRange) {
		return batch, f.outOfRange(ctx, c.topic, f.partition, c.offset)
	} else if p.ErrorCode != 0 {
		return batch, fmt.Errorf("fetch %s/%d@%d: %w", c.topic, f.partition, c.offset, code)
	}
	f.ledger.sawEnd(c.topic, p.HighWatermark)
	if p.RecordSet.Records == nil {
		return batch, nil
	}
	for {
		raw, err := p.RecordSet.Records.ReadRecord()
		if errors.Is(err, io.EOF) {
			return batch, nil
		}
		if err != nil {
			return batch, fmt.Errorf("read %s/%d@%d: %w", c.topic, f.partition, c.offset, err)
		}
		// A batch comes whole, also when it begins before what we asked for.
		if raw.Offset < c.offset || f.passesOver(raw) {
			err = errors.Join(closeBytes(raw.Key), closeBytes(raw.Value))
		} else {
			var record Record
			if record, err = f.record(c.topic, raw); err == nil {
				batch = append(batch, record)
			}
		}
		if err != nil {
			return batch, fmt.Errorf("read %s/%d@%d: %w", c.topic, f.partition, raw.Offset, err)
		}
		c.offset = max(c.offset, raw.Offset+1)
	}
}

func (f *fetcher) record(topic string, raw *kafka.Record) (Record, error) {
	r := Record{Topic: topic, Partition: f.partition, Offset: raw.Offset, Time: raw.Time}
	var err error
	if r.Key, err = readAll(raw.Key); err != nil {
		return r, err
	}
	if r.Value, err = readAll(raw.Value); err != nil {
		return r, err
	}
	if len(raw.Headers) > 0 {
		r.Headers = make([]change.Header, len(raw.Headers))
		for i, h := range raw.Headers {
			r.Headers[i] = change.Header{Key: h.Key, Value: h.Value}
		}
	}
	return r, nil
}

// readAll copies the bytes and gives their buffer back to kafka-go.
func readAll(b kafka.Bytes) ([]byte, error) {
	if b == nil {
		return nil, nil
	}
	data, err := kafka.ReadAll(b)
	return data, errors.Join(err, b.Close())
}

func closeBytes(b kafka.Bytes) error {
	if b == nil {
		return nil
	}
	return b.Close()
}

// outOfRange finds out what the topic holds, for the error's reader; that it can't be learnt is no reason to go on.
func (g *generation) outOfRange(ctx context.Context, topic string, partition int, offset int64) error {
	gone := &OffsetRangeError{Stage: g.stage.Name, Topic: topic, Partition: partition, Offset: offset, First: -1, Next: -1, Repair: g.stage.Repair}
	counts, _, err := countPartitions(ctx, g.client, []string{topic})
	if err != nil || partition >= counts[topic] {
		return errors.Join(gone, err)
	}
	first, err := listOffsets(ctx, g.client, topic, counts[topic], kafka.FirstOffset)
	if err != nil {
		return errors.Join(gone, err)
	}
	next, err := listOffsets(ctx, g.client, topic, counts[topic], kafka.LastOffset)
	if err != nil {
		return errors.Join(gone, err)
	}
	gone.First, gone.Next = first[partition], next[partition]
	return gone
}
