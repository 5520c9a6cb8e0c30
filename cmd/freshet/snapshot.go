package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"freshet/ingest"
)

// snapshotOptions are the settings of snapshot alone.
type snapshotOptions struct {
	from, to      []string
	keys          []string
	rate          int
	sweep, status bool
	wait          time.Duration
	signal        [3]string // ids of pause, resume and stop
	id            string
}

// steering are the flags that steer a snapshot under way, in the order of snapshotOptions.signal.
var steering = [3]string{"pause", "resume", "stop"}

func newSnapshotCommand(s *settings) *cobra.Command {
	var o snapshotOptions
	cmd := &cobra.Command{
		Use:   "snapshot TABLE…",
		Short: "Publish rows of tables again, while ingest goes on",
		Long: `Asks ingest to publish the rows of tables again, beside the changes that it streams: in chunks
by the primary key, each row at a place of the stream where it is the newest, so that no reader
is led back to an older state. The request is durable when the command ends, also while ingest
is down; it goes on where it was after a restart. With --wait the command ends with it.`,
		Example: `  freshet snapshot products prices --rate 5000 --wait
  freshet snapshot prices --from 3 --to 3        # all prices of store 3
  freshet snapshot prices --keys '[["3","SKU-1"],["3","SKU-2"]]' --sweep
  freshet snapshot --status
  freshet snapshot --pause all`,
		GroupID: "data",
		RunE: func(cmd *cobra.Command, args []string) error {
			return s.snapshot(cmd.Context(), args, o)
		},
	}
	flags := cmd.Flags()
	flags.StringSliceVar(&o.from, "from", nil, "first key to read: values of the key's first columns, comma-separated")
	flags.StringSliceVar(&o.to, "to", nil, "last key to read, itself included")
	flags.StringArrayVar(&o.keys, "keys", nil, `the only keys to read, 1000 at most, as JSON: [["3","SKU-1"]]; may be repeated`)
	flags.IntVar(&o.rate, "rate", 0, "rows a second at most, 0 for as many as go; too many and the shop's database feels it")
	flags.BoolVar(&o.sweep, "sweep", false, "publish a delete for each key on the topic that the table has no more")
	flags.StringVar(&o.id, "id", "", "name of the snapshot (default a random one)")
	flags.BoolVar(&o.status, "status", false, "show the snapshots that are under way, and the last that ended")
	flags.DurationVar(&o.wait, "wait", 0, "wait until the snapshot ends, and show how it goes; --wait alone is --wait=24h")
	flags.Lookup("wait").NoOptDefVal = "24h"
	for i, kind := range steering {
		flags.StringVar(&o.signal[i], kind, "", kind+" the snapshot of this id, or all")
	}
	return cmd
}

func (s *settings) snapshot(ctx context.Context, tables []string, o snapshotOptions) error {
	for i, kind := range steering {
		if o.signal[i] == "" {
			continue
		}
		if len(tables) > 0 {
			return fmt.Errorf("--%s takes the snapshot's id, not tables", kind)
		}
		return s.steer(ctx, kind, o.signal[i])
	}
	if o.status {
		return s.snapshotStatus(ctx)
	}
	if len(tables) == 0 {
		return errors.New("which tables? (or --status, --pause, --resume, --stop)")
	}
	sig, err := o.order(tables)
	if err != nil {
		return err
	}
	if err := ingest.Send(ctx, s.postgresURL, sig); err != nil {
		return err
	}
	if err := s.printf("snapshot %s of %s is on its way\n", sig.ID, strings.Join(tables, ", ")); err != nil || o.wait <= 0 {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, o.wait)
	defer cancel()
	return s.followSnapshot(ctx, sig.ID)
}

func (s *settings) steer(ctx context.Context, kind, id string) error {
	sig := ingest.Signal{Kind: kind}
	if id != "all" {
		sig.ID = id
	}
	if err := ingest.Send(ctx, s.postgresURL, sig); err != nil {
		return err
	}
	return s.printf("%s of %s is on its way\n", kind, id)
}

func (o snapshotOptions) order(tables []string) (ingest.Signal, error) {
	sig := ingest.Signal{Kind: "snapshot", Order: ingest.Order{
		ID: o.id, Tables: tables, From: o.from, To: o.to, Rate: o.rate, Sweep: o.sweep,
	}}
	for _, list := range o.keys {
		var keys [][]string
		if err := json.Unmarshal([]byte(list), &keys); err != nil {
			return sig, fmt.Errorf(`--keys %s: want a list of keys, each a list of texts, [["3","SKU-1"]]: %w`, list, err)
		}
		sig.Keys = append(sig.Keys, keys...)
	}
	if sig.ID == "" {
		sig.ID = randomID()
	}
	return sig, sig.Validate()
}

// followSnapshot shows how the snapshot goes until it ends.
func (s *settings) followSnapshot(ctx context.Context, id string) error {
	bar := newBars(s.stderr)
	defer bar.finish()
	ticker := time.NewTicker(200 * time.Millisecond)
	defer ticker.Stop()
	for {
		all, err := ingest.Snapshots(ctx, s.kafka, s.prefix)
		if err != nil && ctx.Err() == nil {
			return err
		}
		for _, snap := range all {
			if snap.ID != id {
				continue
			}
			bar.table(id, snap.Rows, max(snap.Total, snap.Rows+1))
			if snap.Finished() {
				bar.finish()
				return s.snapshotEnded(snap)
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for snapshot %s, which goes on: %w", id, ctx.Err())
		case <-ticker.C:
		}
	}
}

func (s *settings) snapshotEnded(snap ingest.Snapshot) error {
	if snap.State != ingest.SnapshotDone {
		return fmt.Errorf("snapshot %s was %s: %s", snap.ID, snap.State, snap.Reason)
	}
	if snap.Reason != "" {
		if err := s.printf("%s\n", snap.Reason); err != nil {
			return err
		}
	}
	return s.printf("%d rows published, %d vanished rows deleted, in %s\n", snap.Rows, snap.Deleted, snap.Updated.Sub(snap.Began).Round(time.Millisecond))
}

func (s *settings) snapshotStatus(ctx context.Context) error {
	all, err := ingest.Snapshots(ctx, s.kafka, s.prefix)
	if err != nil {
		return err
	}
	if len(all) == 0 {
		return s.printf("no snapshot is under way, and none ended lately\n")
	}
	w := tabwriter.NewWriter(s.stdout, 0, 8, 2, ' ', 0)
	if _, err := fmt.Fprintln(w, "ID\tSTATE\tTABLES\tROWS\tDELETED\tUPDATED\tREASON"); err != nil {
		return err
	}
	for _, snap := range all {
		_, err := fmt.Fprintf(w, "%s\t%s\t%d of %d, %s\t%d of about %d\t%d\t%s\t%s\n", snap.ID, snap.State, snap.Table, len(snap.Tables),
			strings.Join(snap.Tables, ","), snap.Rows, max(snap.Total, snap.Rows), snap.Deleted, snap.Updated.Format(time.RFC3339), snap.Reason)
		if err != nil {
			return err
		}
	}
	return w.Flush()
}
