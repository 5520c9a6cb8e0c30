package e2e

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
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

// TestALostTopicIsRebuilt deletes topics beneath a pipeline that runs, and then rows while nobody is there to publish it: ingest
// and the stages say what is gone. Of the new topics, which hold a small part of what the old ones held, all is read and
// nothing waited for that only those had; after the commands that are named every document is what SQL says.
func TestALostTopicIsRebuilt(t *testing.T) {
	ctx := deadline(t, 10*time.Minute)
	s := newShop(t, 2, 40, 14)
	for _, p := range s.pipeline() {
		p.start()
	}
	s.follow(ctx)
	s.exec(ctx, `insert into search_banners (title, image, url) select 'banner ' || i, '/b.png', '/' from generate_series(1, 3) i`)
	s.mustCatchUp(ctx) // what changes before there is a slot is in the snapshot, once
	for range 30 {
		s.exec(ctx, `with o as (update offers set boost = boost), p as (update prices set amount = amount), t as (update product_texts set slug = slug),
			i as (update order_items set status = status) update search_banners set place = place`)
	}
	s.mustCatchUp(ctx)
	tables := []string{"offers", "prices", "product_texts", "order_items", "search_banners"}
	held := s.held(ctx, tables...)
	s.deleteTopics(ctx, tables...)
	s.eventually(ctx, "ingest refuses to go on", func() bool { return !s.ingest.running() })
	if !said(s.ingest.tail(1000), "was deleted and made again", "freshet ingest --resnapshot") {
		t.Errorf("seed %d: ingest does not say what is gone:\n%s", *seedFlag, s.ingest.tail(10))
	}
	lost := []string{"dimension", "catalog", "offer", "order", "recommend"}
	s.mustStop(ctx, s.fold, lost, "has to be read on from offset", "freshet rebuild --all --rows")
	s.deleteRows(ctx)
	s.exec(ctx, "delete from search_banners where title = 'banner 2'")
	newNemesis(t, s.postgres, *seedFlag, 2).run(ctx, 300)
	s.ingest.args = []string{"ingest", "--resnapshot"}
	s.ingest.start()
	s.mustPass(ctx, "ingest")
	s.replay(lost, s.fold)
	s.mustNeedRows(ctx)
	for i, n := range s.held(ctx, tables...) {
		if n >= held[i]/2 {
			t.Errorf("seed %d: the topic of %s holds %d records, and held %d: nothing is shown", *seedFlag, tables[i], n, held[i])
		}
	}
	t.Logf("seed %d: %s", *seedFlag, s.run("rebuild", "--all", "--rows"))
	s.mustAgree(ctx, "after the rebuild")
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
	client := s.admin()
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

// held counts the records on the topics of tables.
func (s *shop) held(ctx context.Context, tables ...string) (counts []int64) {
	s.t.Helper()
	transport := &kafka.Transport{}
	defer transport.CloseIdleConnections()
	client := &kafka.Client{Addr: kafka.TCP(s.brokers...), Transport: transport, Timeout: 20 * time.Second}
	for _, table := range tables {
		name, n := change.Topic(s.prefix, "public", table), int64(0)
		known, err := client.Metadata(ctx, &kafka.MetadataRequest{Topics: []string{name}})
		if err != nil {
			s.t.Fatalf("look up %s: %v", name, err)
		}
		var ask []kafka.OffsetRequest
		for _, p := range known.Topics[0].Partitions {
			ask = append(ask, kafka.LastOffsetOf(p.ID))
		}
		answer, err := client.ListOffsets(ctx, &kafka.ListOffsetsRequest{Topics: map[string][]kafka.OffsetRequest{name: ask}})
		if err != nil {
			s.t.Fatalf("list offsets of %s: %v", name, err)
		}
		for _, p := range answer.Topics[name] {
			if p.Error != nil {
				s.t.Fatalf("list offsets of %s: %v", name, p.Error)
			}
			n += p.LastOffset
		}
		counts = append(counts, n)
	}
	return counts
}

// deleteTopics deletes the topics of tables.
func (s *shop) deleteTopics(ctx context.Context, tables ...string) {
	s.t.Helper()
	request := kmsg.NewPtrDeleteTopicsRequest()
	request.TimeoutMillis = 10_000
	for _, table := range tables {
		name := change.Topic(s.prefix, "public", table)
		request.TopicNames = append(request.TopicNames, name)
		topic := kmsg.NewDeleteTopicsRequestTopic()
		topic.Topic = &name
		request.Topics = append(request.Topics, topic)
	}
	answer, err := request.RequestWith(ctx, s.admin())
	if err != nil {
		s.t.Fatalf("delete topics: %v", err)
	}
	for _, topic := range answer.Topics {
		if err := kerr.ErrorForCode(topic.ErrorCode); err != nil {
			s.t.Fatalf("delete topics: %v", err)
		}
	}
}

// admin is a client that asks Kafka what kafka-go has no words for.
func (s *shop) admin() *kgo.Client {
	s.t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(s.brokers...))
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(client.Close)
	return client
}
