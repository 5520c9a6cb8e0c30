package ingest

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"freshet/ingest/check"
	"freshet/ingest/topic"
)

// Check looks at Postgres and Kafka as a start with this configuration would find them, and changes nothing.
func Check(ctx context.Context, config Config) ([]check.Finding, error) {
	config.setDefaults()
	if err := config.validate(); err != nil {
		return nil, fmt.Errorf("ingest configuration: %w", err)
	}
	conn, err := pgx.Connect(ctx, config.PostgresURL)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	defer closeQuietly(conn.Close)
	findings, err := check.Postgres(ctx, conn, config.checkTarget())
	if err != nil {
		return nil, err
	}
	if fatal := check.Fatal(findings); fatal != nil {
		return findings, nil // the tables, and so the topics, are not known
	}
	tables, err := newCatalog(conn).published(ctx, config.Publication)
	if err != nil {
		return nil, err
	}
	transport := config.Security.Transport("freshet-check", 0)
	defer transport.CloseIdleConnections()
	topics, err := check.Topics(ctx, config.cluster().Client(transport, 15*time.Second), config.topics(tables))
	return append(findings, topics...), err
}

func (c *Config) checkTarget() check.Target {
	return check.Target{Slot: c.Slot, Publication: c.Publication, Routing: func(table string, columns, key []string) string {
		if slices.Contains(c.Dimensions, table) {
			return "" // one partition holds all of it
		}
		return c.routingColumn(table, columns, key)
	}}
}

// topics are all topics that ingest makes.
func (c *Config) topics(tables []publishedTable) []topic.Spec {
	specs := append(topic.Flow(c.Prefix, c.Partitions, c.Retention), positionSpec(c.Prefix))
	specs = append(specs, c.sideTopics()...)
	for i := range specs {
		specs[i].Replication, specs[i].MinInsync = c.ReplicationFactor, c.MinInsyncReplicas
	}
	for _, t := range tables {
		specs = append(specs, c.spec(t.Schema, t.Name))
	}
	return specs
}

// checkServer refuses what would lose changes in silence.
func (s *session) checkServer(ctx context.Context) error {
	findings, err := check.Postgres(ctx, s.control, s.config.checkTarget())
	if err != nil {
		return err
	}
	return s.judge(findings)
}

func (s *session) checkTopics(ctx context.Context, specs []topic.Spec) error {
	findings, err := check.Topics(ctx, s.client, specs)
	if err != nil {
		return err
	}
	return s.judge(findings)
}

// judge refuses fatal findings and logs the other ones that call for somebody, once in a process.
func (s *session) judge(findings []check.Finding) error {
	if f := check.Fatal(findings); f != nil {
		return &RefusedError{Reason: f.Subject + " " + f.What + ": " + f.Why, Repair: "to repair: " + f.Fix}
	}
	for _, f := range findings {
		if text := f.Subject + " " + f.What; f.Severity != check.Info && !s.warned[text] {
			s.warned[text] = true
			s.log.Warn("freshet check: "+text, "why", f.Why, "fix", f.Fix)
		}
	}
	return nil
}
