package projectors

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/segmentio/kafka-go"
)

// requestTimeout bounds the small requests; fetches and produces have their own.
const requestTimeout = 10 * time.Second

// waitTopics returns the partition counts of the topics once all of them exist. It is patient: ingest makes the topics,
// and may be started after us.
func waitTopics(ctx context.Context, client *kafka.Client, logger *slog.Logger, topics []string) (map[string]int, error) {
	pause := newBackoff(100*time.Millisecond, time.Second)
	for {
		counts, missing, err := countPartitions(ctx, client, topics)
		if err == nil && len(missing) == 0 {
			return counts, nil
		}
		if pause.loud() && ctx.Err() == nil {
			logger.Warn("waiting for topics, which freshet ingest makes", "missing", missing, "error", err)
		}
		if !pause.wait(ctx) {
			return nil, fmt.Errorf("wait for topics %v: %w", missing, context.Cause(ctx))
		}
	}
}

func countPartitions(ctx context.Context, client *kafka.Client, topics []string) (counts map[string]int, missing []string, err error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	answer, err := client.Metadata(ctx, &kafka.MetadataRequest{Topics: topics})
	if err != nil {
		return nil, topics, fmt.Errorf("metadata: %w", err)
	}
	counts = make(map[string]int, len(topics))
	for _, t := range answer.Topics {
		if t.Error == nil && len(t.Partitions) > 0 {
			counts[t.Name] = len(t.Partitions)
		} else {
			missing = append(missing, t.Name)
		}
	}
	return counts, missing, nil
}

// width returns how many partitions, and so workers, a stage has. Its topics have either that many or one.
func width(stage *Stage, counts map[string]int) (int, error) {
	n := 1
	for _, topic := range stage.Topics {
		switch c := counts[topic]; {
		case c == 1 || c == n:
		case n == 1:
			n = c
		default:
			return 0, fmt.Errorf("stage %s: topic %s has %d partitions, others have %d: one key's records would meet different workers; make the topics again with equal counts and rebuild",
				stage.Name, topic, c, n)
		}
	}
	return n, nil
}

// refuseCompacted returns an error when the broker may drop records of a topic before we have read them: an offset that
// is gone must always mean trouble, and kafka-go misreads compacted batches.
func refuseCompacted(ctx context.Context, client *kafka.Client, topics []string) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	request := &kafka.DescribeConfigsRequest{}
	for _, topic := range topics {
		request.Resources = append(request.Resources, kafka.DescribeConfigRequestResource{
			ResourceType: kafka.ResourceTypeTopic, ResourceName: topic, ConfigNames: []string{"cleanup.policy"},
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
		for _, c := range r.ConfigEntries {
			if c.ConfigName == "cleanup.policy" && slices.Contains(strings.Split(c.ConfigValue, ","), "compact") {
				return &compactedError{r.ResourceName}
			}
		}
	}
	return nil
}

type compactedError struct{ topic string }

func (e *compactedError) Error() string {
	return fmt.Sprintf("topic %s is compacted, so records may vanish unread: set its cleanup.policy to delete and rebuild", e.topic)
}

// listOffsets returns the first or the next offset of each of the topic's partitions.
func listOffsets(ctx context.Context, client *kafka.Client, topic string, partitions int, which int64) ([]int64, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	request := make([]kafka.OffsetRequest, partitions)
	for i := range request {
		request[i] = kafka.OffsetRequest{Partition: i, Timestamp: which}
	}
	answer, err := client.ListOffsets(ctx, &kafka.ListOffsetsRequest{Topics: map[string][]kafka.OffsetRequest{topic: request}})
	if err != nil {
		return nil, fmt.Errorf("list offsets of %s: %w", topic, err)
	}
	offsets := make([]int64, partitions)
	seen := 0
	for _, p := range answer.Topics[topic] {
		if p.Error != nil {
			return nil, fmt.Errorf("list offsets of %s/%d: %w", topic, p.Partition, p.Error)
		}
		offsets[p.Partition] = p.FirstOffset
		if which == kafka.LastOffset {
			offsets[p.Partition] = p.LastOffset
		}
		seen++
	}
	if seen != partitions {
		return nil, fmt.Errorf("list offsets of %s: %w", topic, errors.New("the broker left out partitions"))
	}
	return offsets, nil
}
