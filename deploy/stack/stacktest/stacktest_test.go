package stacktest_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/segmentio/kafka-go"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"freshet/deploy/stack/stacktest"
)

// TestPostgresRemovesItsSlots leaves a slot behind on purpose: the database must
// go all the same.
func TestPostgresRemovesItsSlots(t *testing.T) {
	var server string
	t.Run("use", func(t *testing.T) {
		server = stacktest.Postgres(t)
		conn, err := pgx.Connect(t.Context(), server)
		if err != nil {
			t.Fatal(err)
		}
		_, err = conn.Exec(t.Context(), `SELECT pg_create_logical_replication_slot(current_database() || '_s', 'pgoutput')`)
		if err != nil {
			t.Fatal(err)
		}
	})
	if server == "" {
		t.Skip("no Postgres")
	}
	if _, err := pgx.Connect(t.Context(), server); err == nil || !strings.Contains(err.Error(), "does not exist") {
		t.Fatalf("the database is still there: %v", err)
	}
}

func TestKafkaDeletesTopics(t *testing.T) {
	var brokers []string
	var topic string
	t.Run("use", func(t *testing.T) {
		var prefix string
		brokers, prefix = stacktest.Kafka(t)
		topic = prefix + ".a"
		client := &kafka.Client{Addr: kafka.TCP(brokers...)}
		answer, err := client.CreateTopics(t.Context(), &kafka.CreateTopicsRequest{
			Topics: []kafka.TopicConfig{{Topic: topic, NumPartitions: 2, ReplicationFactor: 1}},
		})
		if err != nil || answer.Errors[topic] != nil {
			t.Fatal(err, answer)
		}
	})
	if topic == "" {
		t.Skip("no Kafka")
	}
	deadline := time.Now().Add(20 * time.Second)
	for {
		conn, err := kafka.DialContext(t.Context(), "tcp", brokers[0])
		if err != nil {
			t.Fatal(err)
		}
		partitions, err := conn.ReadPartitions(topic)
		if closeErr := conn.Close(); closeErr != nil {
			t.Fatal(closeErr)
		}
		if err != nil || len(partitions) == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("topic %s is still there: %v", topic, partitions)
		}
	}
}

func TestMongoDropsTheDatabase(t *testing.T) {
	uri, database := stacktest.Mongo(t)
	client, err := mongo.Connect(options.Client().ApplyURI(uri))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := client.Disconnect(t.Context()); err != nil {
			t.Log(err)
		}
	})
	if _, err := client.Database(database).Collection("c").InsertOne(t.Context(), bson.M{"_id": 1}); err != nil {
		t.Fatal(err)
	}
}

func TestElasticDeletesIndices(t *testing.T) {
	var index string
	t.Run("use", func(t *testing.T) {
		server, prefix := stacktest.Elastic(t)
		index = server + "/" + prefix + "-a"
		if status := request(t, http.MethodPut, index); status != http.StatusOK {
			t.Fatalf("create %s: %d", index, status)
		}
	})
	if index == "" {
		t.Skip("no Elasticsearch")
	}
	if status := request(t, http.MethodHead, index); status != http.StatusNotFound {
		t.Fatalf("%s: %d, want 404", index, status)
	}
}

func request(t *testing.T, method, location string) int {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, location, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	if err := response.Body.Close(); err != nil {
		t.Fatal(err)
	}
	return response.StatusCode
}
