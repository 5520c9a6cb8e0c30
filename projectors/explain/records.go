package explain

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/segmentio/kafka-go"

	"freshet/ingest/change"
	"freshet/projectors"
	"freshet/projectors/catalog"
	"freshet/projectors/offer"
	"freshet/projectors/view"
)

// lookBack is how many records of a partition are looked through for the product's newest one. More would find older ones,
// and cost the brokers a read of the disk.
const lookBack = 5_000

// letterBack is the same of the dead-letter topic.
const letterBack = 2_000

// Groups says which offset a consumer group has committed; -1 for none.
type Groups interface {
	Committed(ctx context.Context, group, topic string, partition int) (int64, error)
}

// ClientGroups asks the brokers.
type ClientGroups struct{ *kafka.Client }

// Committed returns the offset that the group goes on from.
func (g ClientGroups) Committed(ctx context.Context, group, topic string, partition int) (int64, error) {
	answer, err := g.OffsetFetch(ctx, &kafka.OffsetFetchRequest{GroupID: group, Topics: map[string][]int{topic: {partition}}})
	if err == nil {
		err = answer.Error
	}
	if err != nil {
		return 0, fmt.Errorf("offsets of group %s: %w", group, err)
	}
	for _, p := range answer.Topics[topic] {
		if p.Partition == partition {
			return p.CommittedOffset, p.Error
		}
	}
	return -1, nil
}

// topics looks for the newest record of the product on each table's topic, and whether the stage has read it.
func (t *tour) topics(ctx context.Context) error {
	for _, group := range []struct {
		stage  string
		tables []string
	}{{"catalog", catalog.Tables}, {"offer", offer.Tables}} {
		for _, table := range group.tables {
			if table == "brands" { // not the product's
				continue
			}
			if err := t.topic(ctx, group.stage, table); err != nil {
				return err
			}
		}
	}
	return nil
}

func (t *tour) topic(ctx context.Context, stage, table string) error {
	name := change.Topic(t.cfg.Prefix, "public", table)
	partitions, err := t.cfg.Records.Partitions(ctx, name)
	if err != nil {
		return err
	}
	partition := change.Partition(strconv.AppendInt(nil, t.Product, 10), partitions)
	record, looked, all, err := t.cfg.Records.Back(ctx, name, partition, lookBack, t.ofProduct)
	if err != nil {
		return err
	}
	h := Hop{Hop: "topic", Where: fmt.Sprintf("%s/%d", name, partition)}
	if record == nil {
		h.Holds = fmt.Sprintf("none of the newest %d records is of it", looked)
		if all {
			h.Holds = fmt.Sprintf("none of the %d records that are kept is of it", looked)
		}
		t.add(h)
		return nil
	}
	ev, err := record.Decode()
	if err != nil {
		return err // it decoded a moment ago
	}
	h.Where, h.Found = fmt.Sprintf("%s@%d", h.Where, record.Offset), true
	h.Position, h.Time = &ev.Position, &ev.CommitTime
	h.Holds = fmt.Sprintf("op %c of %s", ev.Op, ev.Key)
	return t.readBy(ctx, h, stage, record)
}

// readBy adds the hop of a record, with a finding if the stage has not committed past it.
func (t *tour) readBy(ctx context.Context, h Hop, stage string, record *projectors.Record) error {
	committed, err := t.cfg.Groups.Committed(ctx, t.cfg.Prefix+"."+stage, record.Topic, record.Partition)
	if err != nil {
		return err
	}
	if t.unread(stage, committed, record.Offset, h.Position) {
		h.find(Behind, "not-read", t.wait(stage), "stage %s has not read it: it goes on at offset %d", stage, max(committed, 0))
	}
	t.add(h)
	return nil
}

// unread says whether a stage has yet to handle a record. Commits come at intervals, so what the stage has announced counts too.
func (t *tour) unread(stage string, committed, offset int64, at *change.Position) bool {
	return committed <= offset && (!t.passed[stage] || at == nil || at.Commit > t.rows.at)
}

// ofProduct says whether a record is of the product, and of the store where it names one. The cheap look spares decoding
// the others.
func (t *tour) ofProduct(r projectors.Record) bool {
	if r.Value == nil || !bytes.Contains(r.Value, strconv.AppendInt(nil, t.Product, 10)) {
		return false
	}
	ev, err := r.Decode()
	if err != nil {
		return false
	}
	var row struct {
		ID      int64  `json:"id"`
		Product int64  `json:"product_id"`
		Store   *int64 `json:"store_id"`
	}
	if ev.Row(&row) != nil {
		return false
	}
	if ev.Table == "public.products" {
		return row.ID == t.Product
	}
	return row.Product == t.Product && (row.Store == nil || *row.Store == t.Store)
}

// published returns the newest view of the product on the view topic, nil if it is no longer kept.
func (t *tour) published(ctx context.Context) (*view.Offer, *projectors.Record, error) {
	name := change.OfferViewTopic(t.cfg.Prefix)
	partitions, err := t.cfg.Records.Partitions(ctx, name)
	if err != nil {
		return nil, nil, err
	}
	var newest *view.Offer
	partition := change.Partition(strconv.AppendInt(nil, t.Store, 10), partitions)
	record, _, _, err := t.cfg.Records.Back(ctx, name, partition, lookBack, func(r projectors.Record) bool {
		if !bytes.Contains(r.Value, fmt.Appendf(nil, `"product":%d`, t.Product)) {
			return false
		}
		v := new(view.Offer)
		if json.Unmarshal(r.Value, v) != nil || v.Store != t.Store || v.Product != t.Product {
			return false
		}
		// Two stages publish views of an offer, so that an older one may come last.
		if newest != nil && v.Version < newest.Version {
			return false
		}
		newest = v
		return true
	})
	return newest, record, err
}

// letters looks for parked records of the product.
func (t *tour) letters(ctx context.Context) error {
	name := change.DeadLetterTopic(t.cfg.Prefix)
	first, end, err := t.cfg.Records.Ends(ctx, name, 0)
	if err != nil {
		return err
	}
	return t.cfg.Records.Each(ctx, name, 0, max(first, end-letterBack), end, func(r projectors.Record) error {
		if !t.ofProduct(r) && !t.ofView(r) {
			return nil
		}
		headers := map[string]string{}
		for _, h := range r.Headers {
			headers[h.Key] = string(h.Value)
		}
		h := Hop{Hop: "deadletter", Where: fmt.Sprintf("%s@%d", name, r.Offset), Found: true, Time: &r.Time}
		h.find(Note, "parked", fmt.Sprintf("mend the cause, then `freshet replay --offset %d`", r.Offset), "stage %s parked a record of %s: %s",
			headers[projectors.HeaderDeadStage], headers[projectors.HeaderDeadTopic], strings.ToValidUTF8(headers[projectors.HeaderDeadReason], "�"))
		t.add(h)
		return nil
	})
}

// ofView says whether a record is a view of the product.
func (t *tour) ofView(r projectors.Record) bool {
	var v struct {
		Store   int64 `json:"store"`
		Product int64 `json:"product"`
	}
	return bytes.Contains(r.Value, fmt.Appendf(nil, `"product":%d`, t.Product)) &&
		json.Unmarshal(r.Value, &v) == nil && v.Store == t.Store && v.Product == t.Product
}
