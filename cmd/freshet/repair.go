package main

import (
	"context"
	"fmt"
	"time"

	"freshet/ingest"
	"freshet/ingest/broker"
	"freshet/ingest/change"
	"freshet/projectors"
	"freshet/projectors/audit"
	"freshet/projectors/dimension"
	"freshet/projectors/explain"
)

// repairPoll is the time between two looks at how a part of a repair goes.
const repairPoll = 100 * time.Millisecond

// repair mends what is wrong and looks again.
func (a *auditor) repair(ctx context.Context, store int64, asJSON bool) error {
	report, mend, err := a.settle(ctx, store, true, asJSON)
	if err != nil {
		return err
	}
	if mend.Empty() {
		return a.printReport(report, asJSON)
	}
	if !asJSON {
		if err := a.printf("%d documents are wrong:\n%s", report.Wrong(), report); err != nil {
			return err
		}
	}
	report, err = a.mend(ctx, store, mend, asJSON)
	if err != nil {
		return err
	}
	if err := a.printReport(report, asJSON); err != nil {
		return err
	}
	if n := report.Wrong(); n > 0 {
		return fmt.Errorf("%d documents: %w", n, audit.ErrUnmended)
	}
	return nil
}

// mend carries a repair out, telling unless quiet what it has done, and returns what is wrong after it. What is folded from rows comes
// first: what is made of it would be made of wrong documents.
func (a *auditor) mend(ctx context.Context, store int64, mend audit.Repair, quiet bool) (audit.Report, error) {
	for _, r := range mend.Rereads {
		if err := a.reread(ctx, r); err != nil {
			return nil, fmt.Errorf("publish %d rows of %s again: %w", len(r.Keys), r.Table, err)
		}
		if err := a.say(quiet, "%d rows of %s were published again\n", len(r.Keys), r.Table); err != nil {
			return nil, err
		}
	}
	// The documents are right once the stages have passed the rows that were published just now.
	report, mend, err := a.settle(ctx, store, true, quiet)
	if err != nil {
		return nil, err
	}
	if err := a.command(ctx, mend.Commands, "an audit found it wrong"); err != nil {
		return nil, err
	}
	if err := a.say(quiet, "%d commands to make pages and search documents again were carried out\n", len(mend.Commands)); err != nil {
		return nil, err
	}
	if len(mend.Commands) > 0 {
		report, _, err = a.settle(ctx, store, false, quiet)
	}
	return report, err
}

func (a *auditor) say(quiet bool, format string, args ...any) error {
	if quiet {
		return nil
	}
	return a.printf(format, args...)
}

// reread has ingest publish the rows again and waits until it has.
func (a *auditor) reread(ctx context.Context, r audit.Reread) error {
	ctx, cancel := context.WithTimeout(ctx, a.wait)
	defer cancel()
	order := ingest.Order{ID: randomID(), Tables: []string{r.Table}, Keys: r.Keys, Routes: r.Routes}
	if err := ingest.Send(ctx, a.postgresURL, ingest.Signal{Kind: "repair", Order: order}); err != nil {
		return err
	}
	return a.published(ctx, order.ID)
}

// published waits until the snapshot of an id has published all it was asked for.
func (a *auditor) published(ctx context.Context, id string) error {
	for {
		snap, err := a.snapshotOf(ctx, id)
		if err != nil {
			return err
		}
		if snap != nil && snap.Finished() {
			if snap.State != ingest.SnapshotDone {
				return fmt.Errorf("snapshot %s was %s: %s", id, snap.State, snap.Reason)
			}
			return nil
		}
		if err := pause(ctx, repairPoll); err != nil {
			return fmt.Errorf("wait for snapshot %s, which goes on: %w", id, err)
		}
	}
}

// snapshotOf returns the snapshot of an id, nil for one that ingest does not know.
func (a *auditor) snapshotOf(ctx context.Context, id string) (*ingest.Snapshot, error) {
	all, err := ingest.Snapshots(ctx, a.kafka, a.prefix)
	if err != nil {
		return nil, err
	}
	for i := range all {
		if all[i].ID == id {
			return &all[i], nil
		}
	}
	return nil, nil
}

// command publishes the commands and waits until tree and index have carried them out.
func (a *auditor) command(ctx context.Context, commands []projectors.Command, reason string) error {
	if len(commands) == 0 {
		return nil
	}
	dims := dimension.NewCache(a.db, dimension.CacheConfig{Logger: a.logger()})
	if err := dims.Refresh(ctx); err != nil {
		return err
	}
	newest := map[int]int64{} // offset of the last command, by partition
	for _, c := range commands {
		c.ID, c.Dimensions, c.Reason = randomID(), dims.Get().Version(), reason
		partition, offset, err := a.publishCommand(ctx, c)
		if err != nil {
			return err
		}
		newest[partition] = max(newest[partition], offset)
	}
	transport := a.security.Transport("freshet-audit", 0)
	defer transport.CloseIdleConnections()
	groups := explain.ClientGroups{Client: broker.Cluster{Addresses: a.kafka, Security: a.security}.Client(transport, 15*time.Second)}
	ctx, cancel := context.WithTimeout(ctx, a.wait)
	defer cancel()
	for _, stage := range []string{"tree", "index"} {
		for partition, offset := range newest {
			if err := a.carriedOut(ctx, groups, stage, partition, offset); err != nil {
				return fmt.Errorf("wait for stage %s to carry out what was asked, which it will: %w", stage, err)
			}
		}
	}
	return nil
}

// carriedOut waits until the stage has committed past the command at an offset.
func (a *auditor) carriedOut(ctx context.Context, groups explain.Groups, stage string, partition int, offset int64) error {
	for {
		committed, err := groups.Committed(ctx, a.prefix+"."+stage, change.CommandTopic(a.prefix), partition)
		if err != nil {
			return err
		}
		if committed > offset {
			return nil
		}
		if err := pause(ctx, repairPoll); err != nil {
			return err
		}
	}
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
