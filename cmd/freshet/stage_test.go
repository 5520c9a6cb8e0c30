package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"

	"freshet/deploy/stack/stacktest"
	"freshet/ingest/change"
)

func TestInstant(t *testing.T) {
	now := time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Time{
		"beginning": {}, "2h": now.Add(-2 * time.Hour), "2026-11-27T08:00:00+01:00": time.Date(2026, 11, 27, 7, 0, 0, 0, time.UTC),
	} {
		if got, err := instant(text, now); err != nil || !got.Equal(want) {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "yesterday", "-2h", "0s"} {
		if got, err := instant(text, now); err == nil {
			t.Errorf("%q was read as %v", text, got)
		}
	}
}

// TestListStages: the positions are those that were told last, and a stage without a process is not said to run.
func TestListStages(t *testing.T) {
	brokers, prefix := stacktest.Kafka(t)
	uri, name := stacktest.Mongo(t)
	base, query, _ := strings.Cut(uri, "?")
	tell(t, brokers, prefix)
	env := []string{
		"FRESHET_MONGO_URL=" + strings.TrimSuffix(base, "/") + "/" + name + "?" + query, "FRESHET_KAFKA=" + strings.Join(brokers, ","), "FRESHET_PREFIX=" + prefix,
	}
	var out, diagnostics bytes.Buffer
	// Brokers that were started just now have no coordinator of groups for a while.
	for deadline := time.Now().Add(time.Minute); ; out.Reset() {
		if err := run(t.Context(), []string{"stage", "list"}, env, &out, &diagnostics); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(out.String(), "not paused") || time.Now().After(deadline) {
			break
		}
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != len(everyStage) {
		t.Fatalf("%s%s", out.String(), diagnostics.String())
	}
	for i, line := range lines {
		if position := i < len(stageNames); position && !strings.Contains(line, "at 0/50 of") || !strings.HasSuffix(line, "no process has it") {
			t.Errorf("%s", line)
		}
	}
}

// tell publishes what a process of all stages has told up to position 0/50, more than one fetch takes.
func tell(t *testing.T, brokers []string, prefix string) {
	t.Helper()
	topic := change.ProgressTopic(prefix)
	transport := &kafka.Transport{}
	defer transport.CloseIdleConnections()
	client := &kafka.Client{Addr: kafka.TCP(brokers...), Transport: transport}
	if _, err := client.CreateTopics(t.Context(), &kafka.CreateTopicsRequest{Topics: []kafka.TopicConfig{{Topic: topic, NumPartitions: 1, ReplicationFactor: 1}}}); err != nil {
		t.Fatal(err)
	}
	writer := &kafka.Writer{Addr: client.Addr, Topic: topic, Transport: transport, RequiredAcks: kafka.RequireAll, BatchTimeout: time.Millisecond, BatchSize: 8}
	defer func() { _ = writer.Close() }()
	ends := make([]int64, 4_000) // written out, some ten kilobytes
	for lsn := change.LSN(1); lsn <= 0x50; lsn++ {
		var messages []kafka.Message
		for _, stage := range append([]string{"ingest"}, stageNames...) {
			_, value, err := change.Progress{Stage: stage, LSN: lsn, Full: true, Time: time.Now(), Ends: map[string][]int64{"in": ends}}.Encode()
			if err != nil {
				t.Fatal(err)
			}
			messages = append(messages, kafka.Message{Value: value})
		}
		if err := writer.WriteMessages(t.Context(), messages...); err != nil {
			t.Fatal(err)
		}
	}
}

// TestStage: what is asked is kept, answered, and taken back; what names no record or stage is refused.
func TestStage(t *testing.T) {
	uri, name := stacktest.Mongo(t)
	base, query, _ := strings.Cut(uri, "?")
	env := []string{"FRESHET_MONGO_URL=" + strings.TrimSuffix(base, "/") + "/" + name + "?" + query}
	for _, c := range []struct{ args, want string }{
		{"stage pause tree --reason moving", "(moving)"},
		{"stage skip tree --topic p.command --partition 1 --offset 3 --reason chokes", "; skips p.command/1@3 (chokes)"},
		{"stage replay tree --since beginning", "; replay from the beginning, 0 partitions went back"},
		{"stage resume tree", "tree: runs; skips"},
		{"stage unskip tree --topic p.command --partition 1 --offset 3", "tree: runs; replay"},
	} {
		var out, diagnostics bytes.Buffer
		if err := run(t.Context(), strings.Fields(c.args), env, &out, &diagnostics); err != nil || !strings.Contains(out.String(), c.want) {
			t.Errorf("%s: %v, %q, want %q in it", c.args, err, out.String(), c.want)
		}
	}
	for args, want := range map[string]string{
		"stage": "stage what", "stage pause ingest": "invalid argument", "stage skip tree --topic x": "which record", "stage replay tree --since x": "--since",
	} {
		var out, diagnostics bytes.Buffer
		if err := run(t.Context(), strings.Fields(args), env, &out, &diagnostics); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", args, err, want)
		}
	}
}
