package e2e

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"freshet/ingest/change"
)

// TestWhatKafkaLostIsRebuilt takes records away before the stages have read them, as retention does when they are down for
// too long: they say so and skip nothing. Told to begin where the topics begin, and after a rebuild, every document is what
// SQL says, of rows too whose deletes nobody can tell of any longer.
func TestWhatKafkaLostIsRebuilt(t *testing.T) {
	ctx := deadline(t, 10*time.Minute)
	s := newShop(t, 2, 40, 13)
	for _, p := range s.pipeline() {
		p.start()
	}
	s.follow(ctx)
	n := newNemesis(t, s.postgres, *seedFlag, 2)
	n.run(ctx, 300)
	s.mustCatchUp(ctx)

	s.fold.stop()
	s.deleteRows(ctx)
	n.run(ctx, 300)
	s.mustPass(ctx, "ingest")
	for _, table := range []string{
		"products", "product_texts", "product_categories", "variants", "reviews", "offers", "prices", "inventory", "orders", "order_items", "payments", "shipments",
	} {
		s.loseRecords(ctx, change.Topic(s.prefix, "public", table))
	}
	lost := []string{"catalog", "offer", "order", "alert", "recommend"}
	s.fold.start()
	s.mustStop(ctx, s.fold, lost, "was made anew; nothing was skipped", "freshet rebuild --all --rows")
	s.replay(lost, s.fold)
	s.mustNeedRows(ctx)
	t.Logf("seed %d: %s", *seedFlag, s.run("rebuild", "--all", "--rows"))
	s.mustAgree(ctx, "after rows were lost")

	s.tree.stop()
	s.index.stop()
	s.deleteRows(ctx)
	n.run(ctx, 300)
	s.mustPass(ctx, "catalog", "offer", "dimension")
	s.loseRecords(ctx, change.OfferViewTopic(s.prefix))
	for _, p := range []*process{s.tree, s.index} {
		p.start()
		s.mustStop(ctx, p, []string{p.name}, "was made anew; nothing was skipped", "freshet rebuild --all`")
	}
	s.replay([]string{"tree", "index"}, s.tree, s.index)
	t.Logf("seed %d: %s", *seedFlag, s.run("rebuild", "--all"))
	s.mustAgree(ctx, "after views were lost")
}

// deleteRows deletes what the nemesis deletes too, whatever its seed.
func (s *shop) deleteRows(ctx context.Context) {
	s.t.Helper()
	for _, sql := range []string{
		`delete from products where id in (select id from products order by id limit 3)`,
		`delete from offers where product_id in (select product_id from offers order by product_id desc limit 2)`,
		`delete from products where id in (select id from products p where not exists (select from offers o where o.product_id = p.id) order by id limit 1)`,
		`delete from prices where sku in (select sku from prices order by sku limit 5)`,
		`delete from product_texts where product_id in (select product_id from product_texts order by product_id limit 2)`,
		`delete from order_items where order_id in (select order_id from order_items order by order_id limit 2)`,
	} {
		s.exec(ctx, sql)
	}
}

// mustStop waits until each of the stages has said in these words what it has lost.
func (s *shop) mustStop(ctx context.Context, p *process, stages []string, words ...string) {
	s.t.Helper()
	for _, stage := range stages {
		line := append(words, "stage "+stage+":")
		s.eventually(ctx, "stage "+stage+" says what it has lost", func() bool { return said(p.tail(1000), line...) })
	}
}

// said says whether a line of the log has all the words.
func said(log string, words ...string) bool {
	for line := range strings.Lines(log) {
		if !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(line, w) }) {
			return true
		}
	}
	return false
}

// replay has the stages begin where their topics begin, with the processes that run them.
func (s *shop) replay(stages []string, processes ...*process) {
	s.t.Helper()
	for _, p := range processes {
		p.stop()
	}
	for _, stage := range stages {
		s.run("stage", "replay", stage, "--since", "beginning")
	}
	for _, p := range processes {
		p.start()
	}
}

// mustNeedRows demands that there are documents of rows whose deletes were lost: else nothing is shown.
func (s *shop) mustNeedRows(ctx context.Context) {
	s.t.Helper()
	s.mustCatchUp(ctx)
	left := 0
	for _, k := range s.compare(ctx) {
		left += len(k.Extra)
	}
	if left == 0 {
		s.t.Errorf("seed %d: no document is left over, so no delete was lost", *seedFlag)
	}
}

// loseRecords deletes all that a topic holds.
func (s *shop) loseRecords(ctx context.Context, topic string) {
	s.t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(s.brokers...))
	if err != nil {
		s.t.Fatal(err)
	}
	defer client.Close()
	ask := kmsg.NewPtrMetadataRequest()
	name := kmsg.NewMetadataRequestTopic()
	name.Topic = &topic
	ask.Topics = []kmsg.MetadataRequestTopic{name}
	known, err := ask.RequestWith(ctx, client)
	if err != nil || len(known.Topics) != 1 || len(known.Topics[0].Partitions) == 0 {
		s.t.Fatalf("look up %s: %v", topic, err)
	}
	lose := kmsg.NewPtrDeleteRecordsRequest()
	lose.TimeoutMillis = 10_000
	all := kmsg.DeleteRecordsRequestTopic{Topic: topic}
	for _, p := range known.Topics[0].Partitions {
		all.Partitions = append(all.Partitions, kmsg.DeleteRecordsRequestTopicPartition{Partition: p.Partition, Offset: -1}) // to the end
	}
	lose.Topics = []kmsg.DeleteRecordsRequestTopic{all}
	answer, err := lose.RequestWith(ctx, client)
	if err != nil {
		s.t.Fatalf("delete the records of %s: %v", topic, err)
	}
	for _, p := range answer.Topics[0].Partitions {
		if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
			s.t.Fatalf("delete the records of %s/%d: %v", topic, p.Partition, err)
		}
	}
}
