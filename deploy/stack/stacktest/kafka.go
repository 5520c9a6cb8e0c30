package stacktest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
)

// Kafka returns the brokers and a prefix that no other test uses. Topics and
// consumer groups whose names begin with the prefix are deleted at the end.
// Topics must be created by the test: the broker never creates one by itself.
func Kafka(t testing.TB) (brokers []string, prefix string) {
	t.Helper()
	brokers = strings.Split(address(t, "FRESHET_TEST_KAFKA"), ",")
	prefix = randomName(t)
	cleanup(t, "topics and groups "+prefix+"*", func(ctx context.Context) error {
		client := &kafka.Client{Addr: kafka.TCP(brokers...), Timeout: 10 * time.Second, Transport: privateTransport(t)}
		return errors.Join(deleteTopics(ctx, client, prefix), deleteGroups(ctx, client, prefix))
	})
	return brokers, prefix
}

// privateTransport keeps the cleanup's connections out of kafka-go's shared
// transport, whose pool outlives the test and would look like a leak of its own.
func privateTransport(t testing.TB) *kafka.Transport {
	transport := &kafka.Transport{DialTimeout: 5 * time.Second, Dial: (&net.Dialer{}).DialContext}
	t.Cleanup(transport.CloseIdleConnections)
	return transport
}

func deleteTopics(ctx context.Context, client *kafka.Client, prefix string) error {
	metadata, err := client.Metadata(ctx, &kafka.MetadataRequest{})
	if err != nil {
		return fmt.Errorf("list topics: %w", err)
	}
	var names []string
	for _, topic := range metadata.Topics {
		if strings.HasPrefix(topic.Name, prefix) {
			names = append(names, topic.Name)
		}
	}
	if len(names) == 0 {
		return nil
	}
	answer, err := client.DeleteTopics(ctx, &kafka.DeleteTopicsRequest{Topics: names})
	if err != nil {
		return fmt.Errorf("delete topics: %w", err)
	}
	for name, err := range answer.Errors {
		// kafka-go's metadata is cached: a test may have deleted the topic itself.
		if err != nil && !errors.Is(err, kafka.UnknownTopicOrPartition) {
			return fmt.Errorf("delete topic %s: %w", name, err)
		}
	}
	return nil
}

// deleteGroups tolerates members that have not left yet: a test that killed its
// consumer leaves one behind until its session ends, and an empty group without
// topics costs the broker nothing.
func deleteGroups(ctx context.Context, client *kafka.Client, prefix string) error {
	list, err := client.ListGroups(ctx, &kafka.ListGroupsRequest{})
	if err != nil {
		return fmt.Errorf("list groups: %w", err)
	}
	var names []string
	for _, group := range list.Groups {
		if strings.HasPrefix(group.GroupID, prefix) {
			names = append(names, group.GroupID)
		}
	}
	if len(names) == 0 {
		return nil
	}
	answer, err := client.DeleteGroups(ctx, &kafka.DeleteGroupsRequest{GroupIDs: names})
	if err != nil {
		return fmt.Errorf("delete groups: %w", err)
	}
	for name, err := range answer.Errors {
		if err != nil && !errors.Is(err, kafka.NonEmptyGroup) && !errors.Is(err, kafka.GroupIdNotFound) {
			return fmt.Errorf("delete group %s: %w", name, err)
		}
	}
	return nil
}
