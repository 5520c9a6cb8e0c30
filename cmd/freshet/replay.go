package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"freshet/ingest/broker"
	"freshet/projectors/replay"
)

// replayOptions say which letters are meant.
type replayOptions struct {
	list, all, json      bool
	topic, stage, reason string
	partition            int
	offsets              []int64
}

func newReplayCommand(s *settings) *cobra.Command {
	var o replayOptions
	cmd := &cobra.Command{
		Use:   "replay",
		Short: "Send dead letters again",
		Long: `replay sends records that could not be applied to their topics and partitions again, with a
header that says so, once what was wrong with them is mended. A record that is old by now
changes nothing: readers know it by its position. One that still can't be applied is parked
again. For rows that ingest could not publish, it prints the command that reads them anew.

The letters themselves stay on their topic.`,
		Example: `  freshet replay --list
  freshet replay --offset 3,4
  freshet replay --stage index --reason "strict_dynamic_mapping"`,
		GroupID: "data",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return s.replay(cmd.Context(), o) },
	}
	flags := cmd.Flags()
	flags.BoolVar(&o.list, "list", false, "show the letters that are meant, and send nothing")
	flags.BoolVar(&o.json, "json", false, "with --list, print for machines")
	flags.BoolVar(&o.all, "all", false, "all letters")
	flags.Int64SliceVar(&o.offsets, "offset", nil, "those at these offsets of the dead-letter topic, comma-separated")
	flags.StringVar(&o.topic, "topic", "", "those of records of this topic")
	flags.IntVar(&o.partition, "partition", -1, "and of this partition of it")
	flags.StringVar(&o.stage, "stage", "", "those that this stage parked")
	flags.StringVar(&o.reason, "reason", "", "those whose reason contains this text")
	return cmd
}

func (o *replayOptions) selects() bool {
	return o.all || len(o.offsets) > 0 || o.topic != "" || o.stage != "" || o.reason != ""
}

func (o *replayOptions) match(l *replay.Letter) bool {
	return (len(o.offsets) == 0 || slices.Contains(o.offsets, l.Offset)) &&
		(o.topic == "" || o.topic == l.Topic) && (o.partition < 0 || o.partition == l.Partition) &&
		(o.stage == "" || o.stage == l.Stage) && strings.Contains(l.Reason, o.reason)
}

func (s *settings) replay(ctx context.Context, o replayOptions) error {
	if !o.list && !o.selects() {
		return errors.New("which letters? choose with --offset, --topic, --stage or --reason, or take --all; --list shows them")
	}
	transport := s.security.Transport("freshet-replay", 0)
	defer transport.CloseIdleConnections()
	cluster := broker.Cluster{Addresses: s.kafka, Security: s.security}
	desk := replay.New(cluster.Client(transport, 30*time.Second), s.prefix)
	if o.list {
		return s.listLetters(ctx, desk, &o)
	}
	sent := 0
	err := desk.Each(ctx, func(l *replay.Letter) error {
		if !o.match(l) {
			return nil
		}
		command, err := l.Command(s.prefix)
		if err != nil {
			return err
		}
		if command != "" {
			return s.printf("letter %d was parked by ingest, its row is in Postgres: %s\n", l.Offset, command)
		}
		if err := desk.Send(ctx, l); err != nil {
			return err
		}
		sent++
		return nil
	})
	return errors.Join(err, s.printf("%d records sent again\n", sent))
}

func (s *settings) listLetters(ctx context.Context, desk *replay.Desk, o *replayOptions) error {
	if o.json {
		return s.listLettersJSON(ctx, desk, o)
	}
	table := tabwriter.NewWriter(s.stdout, 0, 0, 2, ' ', 0)
	if _, err := fmt.Fprintln(table, "OFFSET\tSTAGE\tRECORD\tKEY\tPOSITION\tTIME\tREASON"); err != nil {
		return err
	}
	err := desk.Each(ctx, func(l *replay.Letter) error {
		if !o.match(l) {
			return nil
		}
		record := fmt.Sprintf("%s/%d@%d", l.Topic, l.Partition, l.RecordOffset)
		if l.RecordOffset < 0 {
			record = l.Topic
		}
		_, err := fmt.Fprintf(table, "%d\t%s\t%s\t%s\t%s\t%s\t%s\n", l.Offset, l.Stage, record, clip(string(l.Key), 60), l.Position(), l.Time, clip(l.Reason, 200))
		return err
	})
	return errors.Join(err, table.Flush())
}

// listedLetter is a letter as the list names it for machines.
type listedLetter struct {
	Offset       int64  `json:"offset"`
	Stage        string `json:"stage"`
	Topic        string `json:"topic"`
	Partition    int    `json:"partition"`     // -1 for a letter of ingest, which holds no record
	RecordOffset int64  `json:"record_offset"` // the same
	Key          string `json:"key"`
	Position     string `json:"position,omitempty"`
	Time         string `json:"time"`
	Reason       string `json:"reason"`
}

func (s *settings) listLettersJSON(ctx context.Context, desk *replay.Desk, o *replayOptions) error {
	letters := []listedLetter{}
	err := desk.Each(ctx, func(l *replay.Letter) error {
		if o.match(l) {
			letters = append(letters, listedLetter{l.Offset, l.Stage, l.Topic, l.Partition, l.RecordOffset, string(l.Key), l.Position(), l.Time, l.Reason})
		}
		return nil
	})
	return errors.Join(err, s.printJSON(letters))
}

// clip shortens a text for a table, on one line.
func clip(text string, limit int) string {
	text = strings.Join(strings.Fields(text), " ")
	if len(text) <= limit {
		return text
	}
	return strings.ToValidUTF8(text[:limit], "") + "…"
}
