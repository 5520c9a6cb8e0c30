package ingest

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/segmentio/kafka-go"

	"freshet/ingest/change"
	"freshet/ingest/topic"
)

// The states of a position.
const (
	snapshotting = "snapshotting" // the slot's snapshot is not on Kafka in full: begin again
	streaming    = "streaming"
)

// position is our own record of how far the stream is on Kafka, and of which stream. It lives on the topic
// <prefix>.position beside the data, so that both share one fate: a Kafka that lost the data can't claim to hold it.
type position struct {
	State      string     `json:"state"`
	Generation int        `json:"generation"` // counts the slot's lives; a higher one replaces all lower ones
	LSN        change.LSN `json:"lsn"`        // every transaction that ends here or before is on Kafka
	// Remaining are the tables of the slot's first snapshot that are not on Kafka in full.
	Remaining []string `json:"remaining,omitempty"`
	// Snapshots are the incremental snapshots that are under way or ended lately.
	Snapshots   orders    `json:"snapshots,omitempty"`
	Time        time.Time `json:"time"`
	SystemID    string    `json:"system_id"`
	Timeline    int32     `json:"timeline"`
	Database    string    `json:"database"`
	Slot        string    `json:"slot"`
	Publication string    `json:"publication"`
	// DatabaseOID and PublicationOID differ when the objects of these names were made again.
	DatabaseOID    uint32 `json:"database_oid,omitempty"`
	PublicationOID uint32 `json:"publication_oid,omitempty"`
	// Ends are the offsets that the topics had reached by then, in some of the records: a topic that ends before them was
	// deleted and made again, or lost its end.
	Ends map[string][]int64 `json:"ends,omitempty"`
	// IDs are the topics', beside Ends.
	IDs    map[string]string `json:"ids,omitempty"`
	Format string            `json:"format,omitempty"` // of the records on the topics; "" for the default
}

// replaces says whether p is to be believed rather than q, whichever was written last: a process that lost its slot
// may have written one more record behind its successor's.
func (p position) replaces(q position) bool {
	if p.Generation != q.Generation {
		return p.Generation > q.Generation
	}
	if p.State != q.State {
		return p.State == streaming
	}
	return p.LSN >= q.LSN
}

// over returns the one of the two that is to be believed, with the newest ends that the slot's life has reported.
func (p position) over(best *position) *position {
	if best == nil {
		return &p
	}
	newer, older := &p, best
	if !p.replaces(*best) {
		newer, older = best, &p
	}
	if newer.Ends == nil && newer.Generation == older.Generation {
		newer.Ends, newer.IDs = older.Ends, older.IDs
	}
	return newer
}

// positionStore keeps positions on their topic.
type positionStore struct {
	client *kafka.Client
	topic  string
}

// positionSpec is bounded by size, not by time: the newest record must outlive any outage of ours.
func positionSpec(prefix string) topic.Spec {
	return topic.Spec{Name: change.PositionTopic(prefix), Partitions: 1, KeepBytes: 16 << 20}
}

// lookBack is how many of the newest records are read, to outvote a late record of a process that lost its slot.
const lookBack = 1000

// load returns the position to continue from, nil when none was ever stored.
func (s positionStore) load(ctx context.Context) (*position, error) {
	at, err := partitionOffsets(ctx, s.client, s.topic, 0)
	if err != nil {
		return nil, err
	}
	var best *position
	err = readTopic(ctx, s.client, s.topic, 0, max(at.first, at.last-lookBack), at.last, func(_ int64, r *kafka.Record) error {
		value, err := kafka.ReadAll(r.Value)
		if err != nil {
			return err
		}
		var p position
		if err := json.Unmarshal(value, &p); err != nil {
			return fmt.Errorf("read the position: %w", err)
		}
		best = p.over(best)
		return nil
	})
	return best, err
}

// save stores a position durably, trying until the context ends.
func (s positionStore) save(ctx context.Context, p position) error {
	value, err := json.Marshal(p)
	if err != nil {
		return fmt.Errorf("encode position: %w", err)
	}
	return publishOne(ctx, s.client, s.topic, &record{key: []byte(p.Slot), value: value})
}

// publishOne writes one record to a topic of one partition, trying until the context ends. A topic that stays unknown is an
// error: the next session makes it again, or refuses if it held the position.
func publishOne(ctx context.Context, client *kafka.Client, name string, r *record) error {
	var b batch
	b.reset()
	b.add(r, time.Now())
	wire, err := b.seal(0)
	if err != nil {
		return err
	}
	began := time.Now()
	for wait := 10 * time.Millisecond; ; wait = min(2*wait, time.Second) {
		err := produceRaw(ctx, client, name, wire)
		if err == nil || isRefusal(err) || (isUnknown(err) && time.Since(began) > goneAfter) || !sleep(ctx, wait) {
			return err
		}
	}
}
