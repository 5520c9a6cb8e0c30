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
	"freshet/projectors/audit"
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
	s.mustAgree(ctx, "before anything is lost")

	s.fold.kill()
	s.deleteRows(ctx)
	n.run(ctx, 300)
	s.mustReach(ctx, "ingest")
	for _, table := range []string{
		"products", "product_texts", "product_categories", "variants", "reviews", "offers", "prices", "inventory", "orders", "order_items", "payments", "shipments",
	} {
		s.loseRecords(ctx, change.Topic(s.prefix, "public", table))
	}
	lost := []string{"catalog", "offer", "order", "alert", "recommend"}
	s.mustStop(ctx, s.fold, lost, "freshet rebuild --all --rows")
	s.replay(lost, s.fold)
	s.mustStandStill(ctx)
	if ghosts := extra(s.compare(ctx)); ghosts == 0 {
		t.Errorf("seed %d: no document is left over, so no delete was lost", *seedFlag)
	}
	t.Logf("seed %d: %s", *seedFlag, s.run("rebuild", "--all", "--rows"))
	s.mustAgree(ctx, "after rows were lost")

	s.tree.kill()
	s.index.kill()
	s.deleteRows(ctx)
	n.run(ctx, 300)
	s.mustReach(ctx, "catalog", "offer", "dimension")
	s.loseRecords(ctx, change.OfferViewTopic(s.prefix))
	s.mustStop(ctx, s.tree, []string{"tree"}, "freshet rebuild --all`")
	s.mustStop(ctx, s.index, []string{"index"}, "freshet rebuild --all`")
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

// mustReach waits until the stages have passed what is committed now.
func (s *shop) mustReach(ctx context.Context, stages ...string) {
	s.t.Helper()
	if err := s.tracker.Wait(ctx, s.position(ctx), stages...); err != nil {
		s.t.Fatal(err)
	}
}

// mustStop starts a process and waits until each of its stages says that it has lost records, and how to repair that.
func (s *shop) mustStop(ctx context.Context, p *process, stages []string, repair string) {
	s.t.Helper()
	p.start()
	for _, stage := range stages {
		for !said(p.tail(1000), "stage "+stage+":", "was made anew; nothing was skipped", repair) {
			select {
			case <-ctx.Done():
				s.t.Fatalf("seed %d: stage %s does not say what it has lost:\n%s", *seedFlag, stage, p.tail(10))
			case <-time.After(100 * time.Millisecond): // a look at a log
			}
		}
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
		p.kill()
	}
	for _, stage := range stages {
		s.run("stage", "replay", stage, "--since", "beginning")
	}
	for _, p := range processes {
		p.start()
	}
}

// extra counts the documents that should not be.
func extra(report audit.Report) (n int) {
	for _, k := range report {
		n += len(k.Extra)
	}
	return n
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
