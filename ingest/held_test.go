package ingest_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"freshet/ingest"
	"freshet/ingest/change"
)

// TestRowsThatTheTopicForgot takes a topic's records away, and rows with them: whoever held those rows has them deleted by
// saying so, and loses none that exists, wherever it is by now.
func TestRowsThatTheTopicForgot(t *testing.T) {
	r, near, far := reviewsRig(t)
	r.start()
	r.settle()
	held := r.events("reviews")
	r.exec(`delete from reviews where id in (1, 2)`, fmt.Sprintf(`update reviews set product_id = %d where id = 3`, near),
		fmt.Sprintf(`update reviews set product_id = %d where id = 4`, far), `delete from reviews where id = 5`, `insert into reviews values (5, 1)`)
	r.settle()
	kept := r.forget("reviews")
	order := ingest.Order{
		ID: "held", Tables: []string{"reviews"},
		Keys:   [][]string{{"1"}, {"2"}, {"3"}, {"4"}, {"5"}, {"6"}},
		Routes: []string{"1", "1", "1", "1", "1", "1"},
	}
	r.order(ingest.Signal{Kind: "repair", Order: order})
	if s := r.finished("held", ingest.SnapshotDone); s.Deleted != 4 || s.Keys != nil || s.Routes != nil {
		t.Errorf("deleted two that are gone and two that went elsewhere: %+v", s)
	}
	want := []string{"1: [5 6]", fmt.Sprintf("%d: [3]", near), fmt.Sprintf("%d: [4]", far)}
	slices.Sort(want)
	said := r.eventsFrom("reviews", kept)
	compare(t, documents(t, append(held, said...)), want)
	for _, e := range said {
		if e.event.Op == change.Delete && (e.header(change.HeaderCommitLSN) == "" || string(e.event.Before) != fmt.Sprintf(`{"id":%s,"product_id":1}`, e.key[len(`{"id":`):len(e.key)-1])) {
			t.Errorf("%s: the delete of a held row says %s", e.key, e.event.Before)
		}
	}
	for name, bad := range map[string]ingest.Order{
		"a route for each": {Keys: [][]string{{"1"}, {"2"}}, Routes: []string{"1"}},
		"no number":        {Keys: [][]string{{"1"}}, Routes: []string{`1,"rating":5`}},
	} {
		bad.ID, bad.Tables = name, []string{"reviews"}
		r.order(ingest.Signal{Kind: "repair", Order: bad})
		if s := r.finished(name, ingest.SnapshotRefused); s.Deleted != 0 || s.Reason == "" {
			t.Errorf("%s: %+v", name, s)
		}
	}
}

// eventsFrom decodes what a table's topic holds from an offset of each partition on.
func (r *rig) eventsFrom(table string, from []int64) (all []rawRecord) {
	r.t.Helper()
	for p, offset := range from {
		records, err := r.read(change.Topic(r.prefix, "public", table), p, offset)
		if err != nil {
			r.t.Fatal(err)
		}
		for _, record := range records {
			if record.event, err = change.Decode(record.key, record.value, record.headers); err != nil {
				r.t.Fatal(err)
			}
			all = append(all, record)
		}
	}
	return all
}

// forget deletes all that a table's topic holds, as retention does in time, and says where each partition begins now.
func (r *rig) forget(table string) []int64 {
	r.t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(r.config.Brokers...))
	if err != nil {
		r.t.Fatal(err)
	}
	defer client.Close()
	all := kmsg.DeleteRecordsRequestTopic{Topic: change.Topic(r.prefix, "public", table)}
	for p := range r.config.Partitions {
		all.Partitions = append(all.Partitions, kmsg.DeleteRecordsRequestTopicPartition{Partition: int32(p), Offset: -1}) // to the end
	}
	request := kmsg.NewPtrDeleteRecordsRequest()
	request.TimeoutMillis = 10_000
	request.Topics = []kmsg.DeleteRecordsRequestTopic{all}
	answer, err := request.RequestWith(r.t.Context(), client)
	if err != nil {
		r.t.Fatalf("delete the records of %s: %v", table, err)
	}
	first := make([]int64, r.config.Partitions)
	for _, p := range answer.Topics[0].Partitions {
		if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
			r.t.Fatalf("delete the records of %s/%d: %v", table, p.Partition, err)
		}
		first[p.Partition] = p.LowWatermark
	}
	return first
}
