package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/spf13/cobra"

	"freshet/ingest/broker"
	"freshet/ingest/change"
	"freshet/projectors"
	"freshet/projectors/control"
)

// stageOptions are the settings of stage alone.
type stageOptions struct {
	reason    string
	topic     string
	partition int
	offset    int64
	since     string
	json      bool
}

func newStageCommand(s *settings) *cobra.Command {
	var o stageOptions
	cmd := &cobra.Command{
		Use:   "stage",
		Short: "Pause, resume and replay projectors, and skip what they choke on",
		Long: `Says how far each projector is and what is asked of it, and asks: halt between two batches and go on
later; park one record instead of applying it; handle again what came since an instant. What is asked
is kept in MongoDB and holds for every process of the stage, also after a restart, until it is taken back.`,
		GroupID: "data",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			return errors.New("stage what? list, pause, resume, skip, unskip or replay")
		},
	}
	list := &cobra.Command{
		Use: "list", Short: "Show how far each stage is, and what is asked of it", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return s.listStages(cmd.Context(), o) },
	}
	list.Flags().BoolVar(&o.json, "json", false, "print for machines")
	pause := s.stageCommand("pause", "Halt a stage between two batches", func(ctx context.Context, store *control.Store, stage string) (control.Stage, error) {
		return store.Pause(ctx, stage, o.reason)
	})
	resume := s.stageCommand("resume", "Let a paused stage go on", func(ctx context.Context, store *control.Store, stage string) (control.Stage, error) {
		return store.Resume(ctx, stage)
	})
	skip := s.stageCommand("skip", "Have a stage park a record instead of applying it", func(ctx context.Context, store *control.Store, stage string) (control.Stage, error) {
		place, err := o.place()
		if err != nil {
			return control.Stage{}, err
		}
		return store.Skip(ctx, stage, place)
	})
	unskip := s.stageCommand("unskip", "Take a skip back; what was parked is sent again by replay", func(ctx context.Context, store *control.Store, stage string) (control.Stage, error) {
		place, err := o.place()
		if err != nil {
			return control.Stage{}, err
		}
		return store.Unskip(ctx, stage, place)
	})
	replay := s.stageCommand("replay", "Have a stage handle again what came since an instant", func(ctx context.Context, store *control.Store, stage string) (control.Stage, error) {
		since, err := instant(o.since, time.Now())
		if err != nil {
			return control.Stage{}, err
		}
		return store.Replay(ctx, stage, since)
	})
	for _, c := range []*cobra.Command{pause, skip} {
		c.Flags().StringVar(&o.reason, "reason", "asked for on the command line", "why, for whoever looks at it")
	}
	for _, c := range []*cobra.Command{skip, unskip} {
		c.Flags().StringVar(&o.topic, "topic", "", "topic of the record, as the log and `freshet replay --list` name it; required")
		c.Flags().IntVar(&o.partition, "partition", 0, "its partition")
		c.Flags().Int64Var(&o.offset, "offset", -1, "its offset; required")
	}
	replay.Flags().StringVar(&o.since, "since", "", `a time (2026-11-27T08:00:00Z), how long ago (2h), or "beginning" for all that the topics hold; required`)
	cmd.AddCommand(list, pause, resume, skip, unskip, replay)
	return cmd
}

// stageCommand is a subcommand that asks something of the stage that is its argument.
func (s *settings) stageCommand(verb, short string, ask func(context.Context, *control.Store, string) (control.Stage, error)) *cobra.Command {
	return &cobra.Command{
		Use: verb + " STAGE", Short: short, Args: cobra.MatchAll(cobra.ExactArgs(1), cobra.OnlyValidArgs), ValidArgs: everyStage,
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			ctx := cmd.Context()
			client, err := s.openMongo("stage")
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, client.Disconnect(context.WithoutCancel(ctx))) }()
			asked, err := ask(ctx, control.Open(client.Database(s.mongoDatabase)), args[0])
			if err != nil {
				return err
			}
			return s.printf("%s: %s\n", args[0], describeControl(&asked, "runs"))
		},
	}
}

// place is the record that is meant.
func (o *stageOptions) place() (projectors.Skip, error) {
	if o.topic == "" || o.offset < 0 || o.partition < 0 {
		return projectors.Skip{}, errors.New("which record? give --topic, --partition and --offset")
	}
	return projectors.Skip{Topic: o.topic, Partition: o.partition, Offset: o.offset, Reason: o.reason}, nil
}

// instant reads a time, how long ago it was, or the beginning, which is the zero time.
func instant(text string, now time.Time) (time.Time, error) {
	if text == "beginning" {
		return time.Time{}, nil
	}
	if ago, err := time.ParseDuration(text); err == nil && ago > 0 {
		return now.Add(-ago).UTC().Truncate(time.Millisecond), nil
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return time.Time{}, fmt.Errorf(`--since %q: want a time such as 2026-11-27T08:00:00Z, how long ago such as 2h, or "beginning"`, text)
	}
	return at.UTC().Truncate(time.Millisecond), nil
}

// describeControl says in a line what is asked of a stage, and how it is when nothing is.
func describeControl(c *control.Stage, otherwise string) string {
	parts := []string{otherwise}
	if c.Paused {
		parts[0] = fmt.Sprintf("paused since %s (%s)", c.Since.Format(time.RFC3339), c.Reason)
	}
	for _, k := range c.Skips {
		parts = append(parts, fmt.Sprintf("skips %s/%d@%d (%s)", k.Topic, k.Partition, k.Offset, k.Reason))
	}
	if c.Replay != nil {
		since := "the beginning"
		if !c.Replay.Since.IsZero() {
			since = c.Replay.Since.Format(time.RFC3339)
		}
		parts = append(parts, fmt.Sprintf("replay from %s, %d partitions went back", since, len(c.Replay.Done)))
	}
	return strings.Join(parts, "; ")
}

// stageState is a stage in the list.
type stageState struct {
	Stage string `json:"stage"`
	Known bool   `json:"known"` // whether all its partitions have been heard of
	// Members is how many consumers the stage's group has; nil where the brokers don't say.
	Members  *int           `json:"members,omitempty"`
	Position *change.LSN    `json:"position,omitempty"`
	Time     *time.Time     `json:"time,omitempty"`
	Control  *control.Stage `json:"control"`
}

// manned says in a word or two whether somebody carries the stage out.
func (st *stageState) manned() string {
	switch {
	case st.Members == nil:
		return "not paused"
	case *st.Members == 0:
		return "no process has it"
	}
	return "runs"
}

// members counts the members of the stages' consumer groups.
func (s *settings) members(ctx context.Context, stages []string) (map[string]int, error) {
	ctx, cancel := context.WithTimeout(ctx, progressPatience)
	defer cancel()
	transport := s.security.Transport("freshet-stage", 0)
	defer transport.CloseIdleConnections()
	client := broker.Cluster{Addresses: s.kafka, Security: s.security}.Client(transport, progressPatience)
	counts := map[string]int{}
	for _, stage := range stages {
		// One at a time: each group has a coordinator of its own, and the client asks only that of the first.
		answer, err := client.DescribeGroups(ctx, &kafka.DescribeGroupsRequest{GroupIDs: []string{s.prefix + "." + stage}})
		if err != nil {
			return counts, fmt.Errorf("members of stage %s: %w", stage, err)
		}
		for _, group := range answer.Groups {
			if group.Error != nil {
				return counts, fmt.Errorf("members of stage %s: %w", stage, group.Error)
			}
			counts[stage] = len(group.Members)
		}
	}
	return counts, nil
}

func (s *settings) listStages(ctx context.Context, o stageOptions) (err error) {
	client, err := s.openMongo("stage")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, client.Disconnect(context.WithoutCancel(ctx))) }()
	asked, err := control.Open(client.Database(s.mongoDatabase)).Load(ctx, everyStage...)
	if err != nil {
		return err
	}
	tracker, err := s.openTracker(leisure)
	if err != nil {
		return err
	}
	var states []stageState
	err = s.tracking(ctx, tracker, func(ctx context.Context) error {
		members, err := s.members(ctx, everyStage)
		if err != nil {
			s.logger().Warn("the brokers don't say which stages have a process", "error", err)
		}
		for _, name := range everyStage {
			doc := asked[name]
			state := stageState{Stage: name, Control: &doc}
			if mark, known := tracker.Watermark(name); known {
				state.Known, state.Position, state.Time = true, &mark.LSN, &mark.Time
			}
			if n, told := members[name]; told {
				state.Members = &n
			}
			states = append(states, state)
		}
		return nil
	})
	switch {
	case err != nil:
		return err
	case o.json:
		return s.printJSON(states)
	}
	table := tabwriter.NewWriter(s.stdout, 0, 0, 2, ' ', 0)
	for _, st := range states {
		at := "not heard of"
		switch {
		case st.Known:
			at = fmt.Sprintf("at %s of %s", st.Position, st.Time.Format(time.RFC3339))
		case !slices.Contains(stageNames, st.Stage):
			at = "announces no position"
		}
		if _, err := fmt.Fprintf(table, "%s\t%s\t%s\n", st.Stage, at, describeControl(st.Control, st.manned())); err != nil {
			return err
		}
	}
	return table.Flush()
}
