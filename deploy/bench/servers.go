package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/segmentio/kafka-go"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// servers asks each server for its version. One that can't be asked says why: it is no reason not to measure.
func (t *Target) servers(ctx context.Context) map[string]string {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	versions := map[string]string{}
	ask := func(name string, configured bool, question func(context.Context) (string, error)) {
		if !configured {
			return
		}
		version, err := question(ctx)
		if err != nil {
			t.Note("the version of %s is unknown: %v", name, err)
			version = unknown
		}
		versions[name] = version
	}
	ask("PostgreSQL", t.PostgresURL != "", t.postgresVersion)
	ask("MongoDB", t.MongoURL != "", t.mongoVersion)
	ask("Elasticsearch", t.ElasticURL != "", t.elasticVersion)
	ask("Kafka", len(t.Brokers) > 0, t.kafkaVersion)
	return versions
}

func (t *Target) postgresVersion(ctx context.Context) (version string, err error) {
	conn, err := pgx.Connect(ctx, t.PostgresURL)
	if err != nil {
		return "", fmt.Errorf("connect: %w", err)
	}
	defer func() { err = errors.Join(err, conn.Close(ctx)) }()
	err = conn.QueryRow(ctx, "select current_setting('server_version') || ' (synchronous_commit ' || current_setting('synchronous_commit') || ')'").Scan(&version)
	return version, err
}

// mongoVersion says what the server calls itself: a stand-in that speaks the protocol does so too.
func (t *Target) mongoVersion(ctx context.Context) (version string, err error) {
	client, err := mongo.Connect(options.Client().ApplyURI(t.MongoURL))
	if err != nil {
		return "", fmt.Errorf("connect: %w", err)
	}
	defer func() { err = errors.Join(err, client.Disconnect(ctx)) }()
	var info bson.M
	if err := client.Database("admin").RunCommand(ctx, bson.D{{Key: "buildInfo", Value: 1}}).Decode(&info); err != nil {
		return "", fmt.Errorf("ask for buildInfo: %w", err)
	}
	version = fmt.Sprint(info["version"])
	// The stand-in says which MongoDB it is like, and under this name which version of itself it is.
	if own, ok := info["secantusVersion"]; ok {
		version = fmt.Sprintf("as Secantus %v, which claims %s", own, version)
	}
	return version, nil
}

func (t *Target) elasticVersion(ctx context.Context) (version string, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, t.ElasticURL, nil)
	if err != nil {
		return "", err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, response.Body.Close()) }()
	var info struct {
		Version struct{ Number string }
	}
	if err := json.NewDecoder(response.Body).Decode(&info); err != nil {
		return "", fmt.Errorf("decode its answer: %w", err)
	}
	return info.Version.Number, nil
}

// kafkaVersion tells brokers apart by the protocol, since none says its version.
func (t *Target) kafkaVersion(ctx context.Context) (string, error) {
	transport := t.cluster().Transport("freshet-bench", 0)
	defer transport.CloseIdleConnections()
	client := t.cluster().Client(transport, 0)
	versions, err := client.ApiVersions(ctx, &kafka.ApiVersionsRequest{})
	if err != nil {
		return "", err
	}
	for _, key := range versions.ApiKeys {
		if key.ApiName == "Fetch" {
			return fmt.Sprintf("that speaks Fetch up to %d", key.MaxVersion), nil
		}
	}
	return unknown, nil
}
