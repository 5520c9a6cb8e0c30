package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/spf13/cobra"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"golang.org/x/sync/errgroup"

	"freshet/projectors/audit"
	"freshet/projectors/progress"
)

// auditOptions are the settings of audit alone.
type auditOptions struct {
	wait time.Duration
	json bool
}

func newAuditCommand(s *settings) *cobra.Command {
	var o auditOptions
	cmd := &cobra.Command{
		Use:   "audit",
		Short: "Recompute every document from the tables and compare",
		Long: `Waits until the read models have passed what is committed now, computes every document that should
exist from SQL alone, reads every document that does exist from MongoDB and Elasticsearch, and counts
those that are missing, extra or different. Changes that are committed meanwhile, and prices that start
or end by their dates, may show as differences: run it on a quiet shop, or again. It fails if any document
is wrong.`,
		GroupID: "data",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return s.audit(cmd.Context(), o) },
	}
	cmd.Flags().DurationVar(&o.wait, "wait", time.Minute, "how long to wait for the read models")
	cmd.Flags().BoolVar(&o.json, "json", false, "print the report for machines, with every difference")
	return cmd
}

func (s *settings) audit(ctx context.Context, o auditOptions) (err error) {
	conn, err := pgx.Connect(ctx, s.postgresURL)
	if err != nil {
		return fmt.Errorf("connect to Postgres: %w", err)
	}
	defer func() { err = errors.Join(err, conn.Close(context.WithoutCancel(ctx))) }()
	client, err := mongo.Connect(options.Client().ApplyURI(s.mongoURL).SetAppName("freshet audit"))
	if err != nil {
		return fmt.Errorf("open MongoDB: %w", err)
	}
	defer func() { err = errors.Join(err, client.Disconnect(context.WithoutCancel(ctx))) }()
	tables, err := audit.OpenTables(ctx, conn)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, tables.Close(context.WithoutCancel(ctx))) }()
	if err := s.passed(ctx, tables, o.wait); err != nil {
		return err
	}
	report, err := audit.Compare(ctx, tables, &audit.Stores{Database: client.Database(s.mongoDatabase), Index: audit.NewIndex(s.elasticURL, s.prefix)})
	if err != nil {
		return err
	}
	if err := s.printReport(report, o.json); err != nil {
		return err
	}
	if n := report.Wrong(); n > 0 {
		return fmt.Errorf("%d documents are wrong", n)
	}
	return nil
}

// passed waits until the read models have passed what the transaction sees.
func (s *settings) passed(ctx context.Context, tables *audit.Tables, wait time.Duration) error {
	tracker, err := progress.New(progress.Config{Brokers: s.kafka, Security: s.security, Prefix: s.prefix}, s.logger())
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	group, ctx := errgroup.WithContext(ctx)
	ctx, done := context.WithCancel(ctx)
	group.Go(func() error {
		// Ended by done it returns nil; ended by itself it explains what Wait can't.
		return tracker.Run(ctx)
	})
	group.Go(func() error {
		defer done()
		if err := tracker.Wait(ctx, tables.Position, stageNames...); err != nil {
			return fmt.Errorf("the read models have not passed %s within %s: %w", tables.Position, wait, err)
		}
		return nil
	})
	return group.Wait()
}

func (s *settings) printReport(report audit.Report, asJSON bool) error {
	if !asJSON {
		return s.printf("%s", report)
	}
	enc := json.NewEncoder(s.stdout)
	enc.SetIndent("", "  ")
	if err := enc.Encode(report); err != nil {
		return fmt.Errorf("print the report: %w", err)
	}
	return nil
}
