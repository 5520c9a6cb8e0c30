package ingest_test

import (
	"strings"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/sasl/plain"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"freshet/ingest"
	"freshet/ingest/broker"
	"freshet/ingest/change"
	"freshet/ingest/topic"
)

// fakeRig is a rig on three brokers that fail on demand.
func fakeRig(t *testing.T, options ...kfake.Opt) (*rig, *kfake.Cluster) {
	t.Helper()
	cluster, err := kfake.NewCluster(append(options, kfake.NumBrokers(3))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	// Slots are the server's: their names must differ from any other test's.
	prefix := strings.ToLower(strings.NewReplacer("/", "_").Replace(t.Name())) + time.Now().Format("150405000")
	return newRigAt(t, cluster.ListenAddrs(), prefix, counters), cluster
}

// TestBrokerFaults is pitfall 33: leaders move, produces time out although they were applied, a disk is full (which the broker
// calls UNKNOWN), one after the other. The same batch goes again, in place, until it is taken: nothing is missing, and no key
// goes back but for repetitions.
func TestBrokerFaults(t *testing.T) {
	r, cluster := fakeRig(t)
	r.start()
	r.settle()
	products := change.Topic(r.prefix, "public", "products")
	produce := []kmsg.Key{kmsg.Produce}
	faults := map[string]func(){
		"timeouts that were applied": func() {
			cluster.Fault(kfake.Fault{Keys: produce, Topic: products, Err: kerr.RequestTimedOut, Count: 5})
		},
		"a full disk": func() {
			cluster.Fault(kfake.Fault{Keys: produce, Topic: products, Err: kerr.UnknownServerError, Count: 5})
		},
		"too few replicas": func() {
			cluster.Fault(kfake.Fault{Keys: produce, Err: kerr.NotEnoughReplicas, Count: 5})
		},
		"a leader that is none": func() {
			cluster.Fault(kfake.Fault{Keys: produce, Err: kerr.NotLeaderForPartition, Count: 5})
		},
		"leaders that move": func() {
			for p := range int32(3) {
				if err := cluster.MoveTopicPartition(products, p, (p+1)%3); err != nil {
					t.Error(err)
				}
			}
		},
	}
	n := 0
	for name, fault := range faults {
		fault()
		for range 20 {
			n++
			r.exec(`insert into products select i, 1 from generate_series(1, 30) i on conflict (id) do update set v = products.v + 1`)
		}
		r.settle()
		t.Log(name)
	}
	last := map[string]change.Position{}
	for _, e := range r.inOrder("products") {
		key := string(e.key)
		if e.event.Position.After(last[key]) {
			last[key] = e.event.Position
		}
	}
	if len(last) != 30 {
		t.Errorf("%d keys", len(last))
	}
	r.check()
}

// inOrder returns the events of every partition as they lie.
func (r *rig) inOrder(table string) []rawRecord {
	r.t.Helper()
	return r.eventsFrom(table, make([]int64, r.config.Partitions))
}

// TestSecuredBroker runs ingest against brokers that want a name.
func TestSecuredBroker(t *testing.T) {
	r, _ := fakeRig(t, kfake.EnableSASL(), kfake.Superuser("PLAIN", "ingest", "sesame"))
	r.config.Security = broker.Security{SASL: plain.Mechanism{Username: "ingest", Password: "sesame"}}
	transport := r.config.Security.Transport("test", 200*time.Millisecond)
	t.Cleanup(transport.CloseIdleConnections)
	r.client.Transport = transport
	r.start()
	r.exec(`insert into products values (1, 1)`)
	r.settle()
	r.check()
}

// deleteTopic deletes a topic; the brokers forget it a moment later.
func (r *rig) deleteTopic(name string) {
	r.t.Helper()
	answer, err := r.client.DeleteTopics(r.t.Context(), &kafka.DeleteTopicsRequest{Topics: []string{name}})
	if err != nil || answer.Errors[name] != nil {
		r.t.Fatal(err, answer)
	}
}

func (r *rig) createTopic(name string) {
	r.t.Helper()
	await(r.t, "the topic is made again", func() bool {
		answer, err := r.client.CreateTopics(r.t.Context(), &kafka.CreateTopicsRequest{
			Topics: []kafka.TopicConfig{{Topic: name, NumPartitions: r.config.Partitions, ReplicationFactor: 1}},
		})
		return err == nil && answer.Errors[name] == nil
	})
}

// tombstones are n records of a key that nobody has.
func tombstones(n int) []kafka.Record {
	records := make([]kafka.Record, n)
	for i := range records {
		records[i] = kafka.Record{Key: kafka.NewBytes([]byte(`{"id":-1}`)), Headers: []kafka.Header{
			{Key: change.HeaderCommitLSN, Value: change.AppendLSN(nil, 1)}, {Key: change.HeaderTxIndex, Value: []byte("0")},
		}}
	}
	return records
}

// TestTopicMadeAgain deletes a topic on a real broker: what was published is gone with it, and ingest says so, whether it
// runs, starts, or finds the topic made again by somebody else.
func TestTopicMadeAgain(t *testing.T) {
	tests := map[string]func(r *rig, run *running) *running{
		"deleted while it does not run": func(r *rig, run *running) *running {
			if err := run.stop(); err != nil {
				r.t.Fatal(err)
			}
			r.deleteTopic(change.Topic(r.prefix, "public", "products"))
			return r.start()
		},
		"made again and outgrown while it does not run": func(r *rig, run *running) *running {
			if err := run.stop(); err != nil {
				r.t.Fatal(err)
			}
			name := change.Topic(r.prefix, "public", "products")
			r.deleteTopic(name)
			r.createTopic(name)
			for p := range r.config.Partitions {
				r.until("somebody else fills the new topic", func() bool { return r.produce(name, p, tombstones(1000)...) == nil })
			}
			return r.start()
		},
		"deleted while it runs": func(r *rig, run *running) *running {
			r.deleteTopic(change.Topic(r.prefix, "public", "products"))
			r.exec(`insert into products values (1000, 1)`)
			return run
		},
		"deleted while there is nothing to publish": func(r *rig, run *running) *running {
			r.deleteTopic(change.Topic(r.prefix, "public", "products"))
			return run
		},
		"made again while it runs": func(r *rig, run *running) *running {
			name := change.Topic(r.prefix, "public", "products")
			r.deleteTopic(name)
			r.createTopic(name)
			r.exec(`insert into products select i, 1 from generate_series(1000, 1030) i`)
			return run
		},
	}
	for name, spoil := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, counters, `insert into products select i, 0 from generate_series(1, 20) i`)
			run := r.start()
			r.exec(`insert into products select i, 0 from generate_series(21, 100) i`)
			r.settle()
			r.acknowledged() // the position says so too
			run = spoil(r, run)
			refused := run.refused(t)
			if text := refused.Error(); !strings.Contains(text, "was deleted and made again") || !strings.Contains(text, "--resnapshot") {
				t.Fatalf("got %v", refused)
			}
			t.Log(refused)
			_ = r.start().refused(t) // a start does not forget it, and the command that it names repairs it
			r.start(func(c *ingest.Config) { c.Resnapshot = true })
			r.exec(`insert into products values (2000, 1)`)
			r.settle()
			if rows := fold(r.events("products")); rows[`{"id":1}`] == "" || rows[`{"id":2000}`] == "" {
				t.Errorf("%d rows after the repair", len(rows))
			}
		})
	}
}

// TestEmptyTopicMadeAgain: nothing is lost with a topic that held nothing, so ingest goes on, and announces where the new one ends as
// the new one's.
func TestEmptyTopicMadeAgain(t *testing.T) {
	t.Parallel()
	r := newRig(t, counters, `insert into products select i, 0 from generate_series(1, 20) i`)
	r.start()
	r.settle()
	name := change.Topic(r.prefix, "public", "prices")
	ids := func() string {
		t.Helper()
		found, err := topic.IDs(t.Context(), r.client, name, change.Topic(r.prefix, "public", "products"))
		if err != nil || found[name] == "" {
			t.Fatal(found, err)
		}
		return found[name]
	}
	old := ids()
	r.deleteTopic(name)
	r.createTopic(name)
	made := ids()
	if made == old {
		t.Fatalf("the topic still has the id %s", old)
	}
	r.until("progress speaks of the new topic", func() bool {
		r.exec(`insert into products select max(id) + 1, 1 from products`)
		p := r.settle()
		return p.IDs[name] == made && p.Ends[name] != nil
	})
	r.exec(`insert into prices values (1, 1, 1)`)
	r.settle()
	if rows := fold(r.events("prices")); rows[`{"id":1}`] == "" {
		t.Errorf("the new topic holds %v", rows)
	}
}

// TestPositionTopicDeleted is the same for the topic that holds the position.
func TestPositionTopicDeleted(t *testing.T) {
	r := newRig(t, counters)
	run := r.start()
	r.settle()
	r.deleteTopic(change.PositionTopic(r.prefix))
	r.exec(`insert into products values (1, 1)`)
	if refused := run.refused(t); !strings.Contains(refused.Error(), "holds no position") {
		t.Fatalf("got %v", refused)
	}
}
