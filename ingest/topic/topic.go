// Package topic creates the flow's Kafka topics and refuses ones that are not as the flow needs them.
//
// ingest calls Ensure for the table topics, the projectors' runtime for the topics between the stages; both at start, and
// calling it again is harmless. Guarantee: after Ensure every topic exists with exactly the partitions asked for, is not
// compacted, and its leader is known. A partition count that differs is refused, since adding partitions moves keys.
package topic

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/segmentio/kafka-go"

	"freshet/ingest/broker"
	"freshet/ingest/change"
)

// Forever is the Retention of a topic whose records are kept for ever.
const Forever = time.Duration(-1)

// MaxRecordBytes is the largest record batch that a topic made here takes. Products with long texts pass; what is larger
// is parked on the dead-letter topic.
const MaxRecordBytes = 8 << 20

// Spec is a topic as it must be.
type Spec struct {
	Name       string
	Partitions int
	Retention  time.Duration // Forever, or how long a record is kept
	// KeepBytes bounds the topic by size instead of time: old records go when it grows past it, the newest never.
	KeepBytes int64
	// Replication is the number of copies and MinInsync how many must have a record before it counts as written; 0 is the
	// broker's default. Both matter at the topic's creation alone.
	Replication, MinInsync int
}

// Dimensions are the tables that are small, have one partition, and are loaded whole by whoever needs them.
func Dimensions() []string {
	return []string{
		"public.stores", "public.category_trees", "public.categories", "public.category_texts", "public.brands",
		"public.sellers", "public.attribute_defs", "public.search_synonyms", "public.search_rules",
		"public.search_facets", "public.search_banners",
	}
}

// Table returns the topic of a table: one partition, kept for ever, for a dimension; else partitions, kept for retention.
func Table(prefix, schema, table string, partitions int, retention time.Duration, dimensions []string) Spec {
	spec := Spec{Name: change.Topic(prefix, schema, table), Partitions: partitions, Retention: retention}
	if slices.Contains(dimensions, schema+"."+table) {
		spec.Partitions, spec.Retention = 1, Forever
	}
	return spec
}

// Flow returns the topics beside the table topics that the stages speak through.
func Flow(prefix string, partitions int, retention time.Duration) []Spec {
	return []Spec{
		{Name: change.ProgressTopic(prefix), Partitions: 1, Retention: time.Hour},
		{Name: change.DeadLetterTopic(prefix), Partitions: 1, Retention: Forever},
		{Name: change.CommandTopic(prefix), Partitions: partitions, Retention: retention},
		{Name: change.OfferViewTopic(prefix), Partitions: partitions, Retention: retention},
		{Name: change.AlertTopic(prefix), Partitions: partitions, Retention: retention},
		{Name: change.SearchTopic(prefix), Partitions: partitions, Retention: retention},
	}
}

// MismatchError says that a topic exists and is not as the flow needs it.
type MismatchError struct {
	Topic  string
	Reason string
}

func (e *MismatchError) Error() string { return fmt.Sprintf("topic %s: %s", e.Topic, e.Reason) }

// Ensure creates what is missing and checks what is there.
func Ensure(ctx context.Context, cluster broker.Cluster, specs []Spec) error {
	// A transport of its own: kafka-go answers metadata from a cache that would not know the new topics yet.
	transport := cluster.Transport("freshet-topics", 100*time.Millisecond)
	defer transport.CloseIdleConnections()
	client := cluster.Client(transport, 15*time.Second)
	if err := wait(ctx, func() (string, error) {
		err := create(ctx, client, specs)
		if errors.Is(err, kafka.BrokerNotAvailable) { // a broker on a busy machine is out of the cluster for a moment
			return "the cluster's controller", nil
		}
		return "", err
	}); err != nil {
		return err
	}
	if err := wait(ctx, func() (string, error) { return partitionsPending(ctx, client, specs) }); err != nil {
		return err
	}
	if err := wait(ctx, func() (string, error) { return leadersPending(ctx, client, specs) }); err != nil {
		return err
	}
	return checkPolicies(ctx, client, specs)
}

func create(ctx context.Context, client *kafka.Client, specs []Spec) error {
	request := &kafka.CreateTopicsRequest{}
	for _, s := range specs {
		replication := s.Replication
		if replication == 0 {
			replication = -1
		}
		request.Topics = append(request.Topics, kafka.TopicConfig{
			Topic: s.Name, NumPartitions: s.Partitions, ReplicationFactor: replication, ConfigEntries: s.entries(),
		})
	}
	answer, err := client.CreateTopics(ctx, request)
	if err != nil {
		return fmt.Errorf("create topics: %w", err)
	}
	for name, err := range answer.Errors {
		if err != nil && !errors.Is(err, kafka.TopicAlreadyExists) {
			return fmt.Errorf("create topic %s: %w", name, err)
		}
	}
	return nil
}

func (s Spec) entries() []kafka.ConfigEntry {
	entries := []kafka.ConfigEntry{
		{ConfigName: "cleanup.policy", ConfigValue: "delete"},
		{ConfigName: "max.message.bytes", ConfigValue: strconv.Itoa(MaxRecordBytes)},
	}
	retention := s.Retention.Milliseconds()
	if s.Retention == Forever || s.KeepBytes > 0 {
		retention = -1
	}
	entries = append(entries, kafka.ConfigEntry{ConfigName: "retention.ms", ConfigValue: strconv.FormatInt(retention, 10)})
	if s.KeepBytes > 0 {
		entries = append(entries,
			kafka.ConfigEntry{ConfigName: "retention.bytes", ConfigValue: strconv.FormatInt(s.KeepBytes, 10)},
			kafka.ConfigEntry{ConfigName: "segment.bytes", ConfigValue: strconv.FormatInt(max(s.KeepBytes/4, 1<<20), 10)})
	}
	if s.MinInsync > 0 {
		entries = append(entries, kafka.ConfigEntry{ConfigName: "min.insync.replicas", ConfigValue: strconv.Itoa(s.MinInsync)})
	}
	return entries
}

// wait asks until no topic is pending: being known, and having leaders, follow creation by a moment.
func wait(ctx context.Context, pending func() (string, error)) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for {
		name, err := pending()
		if err != nil || name == "" {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s did not become ready: %w", name, ctx.Err())
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// leadersPending asks every partition for its end, which only its leader answers.
func leadersPending(ctx context.Context, client *kafka.Client, specs []Spec) (pending string, err error) {
	request := map[string][]kafka.OffsetRequest{}
	for _, s := range specs {
		for i := range s.Partitions {
			request[s.Name] = append(request[s.Name], kafka.LastOffsetOf(i))
		}
	}
	answer, err := client.ListOffsets(ctx, &kafka.ListOffsetsRequest{Topics: request})
	if err != nil {
		return "", fmt.Errorf("list offsets: %w", err)
	}
	for name, partitions := range answer.Topics {
		for _, p := range partitions {
			if p.Error != nil {
				return "topic " + name, nil
			}
		}
	}
	return "", nil
}

func partitionsPending(ctx context.Context, client *kafka.Client, specs []Spec) (pending string, err error) {
	metadata, err := client.Metadata(ctx, &kafka.MetadataRequest{})
	if err != nil {
		return "", fmt.Errorf("read metadata: %w", err)
	}
	known := map[string]kafka.Topic{}
	for _, t := range metadata.Topics {
		known[t.Name] = t
	}
	for _, s := range specs {
		t, ok := known[s.Name]
		if !ok || t.Error != nil || len(t.Partitions) == 0 || slices.ContainsFunc(t.Partitions, func(p kafka.Partition) bool { return p.Error != nil }) {
			return "topic " + s.Name, nil
		}
		if len(t.Partitions) != s.Partitions {
			return "", &MismatchError{s.Name, fmt.Sprintf("has %d partitions, the configuration says %d; "+
				"keys would move: set the configuration back, or delete the topic and take a new snapshot", len(t.Partitions), s.Partitions)}
		}
	}
	return "", nil
}

func checkPolicies(ctx context.Context, client *kafka.Client, specs []Spec) error {
	request := &kafka.DescribeConfigsRequest{}
	for _, s := range specs {
		request.Resources = append(request.Resources, kafka.DescribeConfigRequestResource{
			ResourceType: kafka.ResourceTypeTopic, ResourceName: s.Name, ConfigNames: []string{"cleanup.policy"},
		})
	}
	answer, err := client.DescribeConfigs(ctx, request)
	if err != nil {
		return fmt.Errorf("describe topics: %w", err)
	}
	for _, r := range answer.Resources {
		if r.Error != nil {
			return fmt.Errorf("describe topic %s: %w", r.ResourceName, r.Error)
		}
		for _, entry := range r.ConfigEntries {
			if entry.ConfigName == "cleanup.policy" && entry.ConfigValue != "delete" {
				return &MismatchError{r.ResourceName, fmt.Sprintf("cleanup.policy is %s, not delete: compaction drops "+
					"changes that a fold needs", entry.ConfigValue)}
			}
		}
	}
	return nil
}
