package check

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/segmentio/kafka-go"

	"freshet/ingest/topic"
)

// topicState is a topic as it is.
type topicState struct {
	partitions, replicas int
	config               map[string]string
}

// Topics compares topics with what the flow wants of them.
func Topics(ctx context.Context, client *kafka.Client, specs []topic.Spec) ([]Finding, error) {
	metadata, err := client.Metadata(ctx, &kafka.MetadataRequest{})
	if err != nil {
		return nil, fmt.Errorf("check topics: %w", err)
	}
	states := map[string]*topicState{}
	for _, t := range metadata.Topics {
		if t.Error != nil || len(t.Partitions) == 0 {
			continue
		}
		states[t.Name] = &topicState{partitions: len(t.Partitions), replicas: len(t.Partitions[0].Replicas), config: map[string]string{}}
	}
	if err := describe(ctx, client, specs, states); err != nil {
		return nil, fmt.Errorf("check topics: %w", err)
	}
	var findings []Finding
	for _, spec := range specs {
		state := states[spec.Name]
		if state == nil {
			findings = append(findings, Finding{Severity: Info, Subject: "topic " + spec.Name, What: "does not exist", Why: "the next start of ingest makes it"})
			continue
		}
		findings = append(findings, state.compare(&spec, len(metadata.Brokers))...)
	}
	return findings, nil
}

func describe(ctx context.Context, client *kafka.Client, specs []topic.Spec, states map[string]*topicState) error {
	request := &kafka.DescribeConfigsRequest{}
	for _, spec := range specs {
		if states[spec.Name] != nil {
			request.Resources = append(request.Resources, kafka.DescribeConfigRequestResource{
				ResourceType: kafka.ResourceTypeTopic, ResourceName: spec.Name,
				ConfigNames: []string{"cleanup.policy", "retention.ms", "max.message.bytes", "min.insync.replicas"},
			})
		}
	}
	if len(request.Resources) == 0 {
		return nil
	}
	answer, err := client.DescribeConfigs(ctx, request)
	if err != nil {
		return err
	}
	for _, resource := range answer.Resources {
		if resource.Error != nil {
			return errors.Join(fmt.Errorf("describe %s", resource.ResourceName), resource.Error)
		}
		for _, entry := range resource.ConfigEntries {
			states[resource.ResourceName].config[entry.ConfigName] = entry.ConfigValue
		}
	}
	return nil
}

// compare says what differs. Numbers that the broker does not tell are not judged.
func (s *topicState) compare(spec *topic.Spec, brokers int) (findings []Finding) {
	add := func(severity Severity, fatal bool, what, why, fix string) {
		findings = append(findings, Finding{Severity: severity, Subject: "topic " + spec.Name, What: what, Why: why, Fix: fix, Fatal: fatal})
	}
	alter := func(setting string, value any) string {
		return fmt.Sprintf("kafka-configs.sh --bootstrap-server … --alter --topic %s --add-config %s=%v", spec.Name, setting, value)
	}
	number := func(name string) (int64, bool) {
		n, err := strconv.ParseInt(s.config[name], 10, 64)
		return n, err == nil
	}
	if s.partitions != spec.Partitions {
		add(Error, true, fmt.Sprintf("has %d partitions, the configuration says %d", s.partitions, spec.Partitions), "keys would move to other partitions",
			fmt.Sprintf("set --partitions to %d, or delete the topic and run %s", s.partitions, resnapshot))
	}
	if policy := s.config["cleanup.policy"]; policy != "" && policy != "delete" {
		add(Error, true, "cleanup.policy is "+policy, "compaction drops changes that a fold needs, and kafka-go's readers stop at what it leaves", alter("cleanup.policy", "delete"))
	}
	if kept, ok := number("retention.ms"); ok && kept >= 0 && spec.KeepBytes == 0 && (spec.Retention == topic.Forever || kept < spec.Retention.Milliseconds()) {
		want := spec.Retention.Milliseconds()
		wanted := spec.Retention.String()
		if spec.Retention == topic.Forever {
			want, wanted = -1, "for ever"
		}
		add(Warning, false, fmt.Sprintf("keeps records for %s, the configuration says %s", time.Duration(kept)*time.Millisecond, wanted),
			"a consumer that is away for longer must be rebuilt", alter("retention.ms", want))
	}
	if limit, ok := number("max.message.bytes"); ok && limit < topic.MaxRecordBytes {
		add(Warning, false, fmt.Sprintf("takes records of %d bytes", limit), "larger rows go to the dead letters", alter("max.message.bytes", topic.MaxRecordBytes))
	}
	if s.replicas == 1 && brokers > 1 {
		add(Warning, false, "has one replica", "with its broker it is gone", "make topics with --replication-factor=3; move this one with kafka-reassign-partitions.sh")
	}
	if least, ok := number("min.insync.replicas"); ok && s.replicas > 1 && least < 2 {
		add(Warning, false, "min.insync.replicas is 1", "an acknowledged record may be on one broker only", alter("min.insync.replicas", 2))
	}
	return findings
}
