package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/spf13/cobra"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"golang.org/x/sync/errgroup"

	"freshet/deploy/health"
	"freshet/projectors"
	"freshet/projectors/alert"
	"freshet/projectors/audit"
	"freshet/projectors/progress"
)

// auditOptions are the settings of audit alone.
type auditOptions struct {
	wait       time.Duration
	json       bool
	store      string
	repair     bool
	continuous bool
	budget     float64
}

func newAuditCommand(s *settings) *cobra.Command {
	var o auditOptions
	cmd := &cobra.Command{
		Use:   "audit",
		Short: "Recompute every document from the tables, compare, and repair",
		Long: `Waits until the read models have passed what is committed now, computes every document that should
exist from SQL alone, reads every document that does exist from MongoDB and Elasticsearch, and counts
those that are missing, extra or different. What differs it looks at again: wrong is what differs in the
same way at each of three looks, since a change that is committed meanwhile shows once. Of documents that
are changed all the time nothing is said but how many they are; in a quiet shop nothing is left out. It
fails if any document is wrong.

With --repair the rows behind wrong documents are published again, then the pages and search documents
that show them are made again, and then everything is compared once more.

With --continuous it looks at one store after the other for ever, slice by slice, at the cost that --budget allows, and
counts what stays wrong, and stock that is not what its ledger and its holds come to, in the gauge freshet_drift_documents (see --health). Each is an alarm too: a record
on the topic of alerts and a document, raised once and cleared once (GET /admin/v1/alarms). freshet up runs it.`,
		Example: "  freshet audit\n  freshet audit --store emporio-aurora-milano --repair\n  freshet audit --continuous --budget 0.05 --health 127.0.0.1:8475",
		GroupID: "data",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return s.audit(cmd.Context(), o) },
	}
	flags := cmd.Flags()
	flags.DurationVar(&o.wait, "wait", time.Minute, "how long to wait for the read models, and for each part of a repair")
	flags.BoolVar(&o.json, "json", false, "print the report for machines, with every difference")
	flags.StringVar(&o.store, "store", "", "look at one store alone, by id or code (default all)")
	flags.BoolVar(&o.repair, "repair", false, "mend what is wrong, and look again")
	flags.BoolVar(&o.continuous, "continuous", false, "look at one store after the other until stopped")
	flags.Float64Var(&o.budget, "budget", 0.05, "with --continuous, the share of the time to spend looking, up to 1")
	return cmd
}

func (s *settings) audit(ctx context.Context, o auditOptions) (err error) {
	if o.continuous && (o.store != "" || o.repair || o.json) {
		return errors.New("--continuous looks at all stores and repairs nothing: it goes without --store, --repair and --json")
	}
	client, err := s.openMongo("audit")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, client.Disconnect(context.WithoutCancel(ctx))) }()
	tracker, err := s.openTracker(leisure)
	if err != nil {
		return err
	}
	a := &auditor{settings: s, db: client.Database(s.mongoDatabase), tracker: tracker, wait: o.wait}
	if o.continuous {
		return a.patrol(ctx, o.budget)
	}
	return s.tracking(ctx, tracker, func(ctx context.Context) error {
		store, err := a.named(ctx, o.store)
		if err != nil {
			return err
		}
		if o.repair {
			return a.repair(ctx, store, o.json)
		}
		report, _, err := a.settle(ctx, store, false, o.json)
		if err != nil {
			return err
		}
		if err := s.printReport(report, o.json); err != nil {
			return err
		}
		if n := report.Wrong(); n > 0 {
			return fmt.Errorf("%d documents are wrong; freshet audit --repair mends them", n)
		}
		return nil
	})
}

// auditor compares, with what it takes to.
type auditor struct {
	*settings
	db      *mongo.Database
	tracker *progress.Tracker
	wait    time.Duration
	rest    bool // store 0 stands for what is of no store, not for all
}

// scope is what is looked at for a store.
func (a *auditor) scope(store int64) audit.Scope {
	switch {
	case store != 0:
		return audit.OfStore(store)
	case a.rest:
		return audit.OfNone()
	}
	return audit.Everything()
}

// named returns the id of a store, 0 for all.
func (a *auditor) named(ctx context.Context, name string) (id int64, err error) {
	if name == "" {
		return 0, nil
	}
	err = a.withPostgres(ctx, func(conn *pgx.Conn) error {
		return conn.QueryRow(ctx, "select id from stores where id::text = $1 or code = $1 order by (id::text = $1) desc limit 1", name).Scan(&id)
	})
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, fmt.Errorf("there is no store %q in Postgres", name)
	}
	return id, err
}

// stores lists the stores by id.
func (a *auditor) stores(ctx context.Context) (ids []int64, err error) {
	err = a.withPostgres(ctx, func(conn *pgx.Conn) error {
		rows, err := conn.Query(ctx, "select id from stores order by id")
		if err != nil {
			return err
		}
		ids, err = pgx.CollectRows(rows, pgx.RowTo[int64])
		return err
	})
	return ids, err
}

// slices lists the scopes that make up a store.
func (a *auditor) slices(ctx context.Context, store int64) (scopes []audit.Scope, err error) {
	err = a.withPostgres(ctx, func(conn *pgx.Conn) (err error) {
		scopes, err = audit.Slices(ctx, conn, store, audit.Slice)
		return err
	})
	return scopes, err
}

func (a *auditor) withPostgres(ctx context.Context, f func(*pgx.Conn) error) (err error) {
	conn, err := pgx.Connect(ctx, a.postgresURL)
	if err != nil {
		return fmt.Errorf("connect to Postgres: %w", err)
	}
	defer func() { err = errors.Join(err, conn.Close(context.WithoutCancel(ctx))) }()
	return f(conn)
}

// settle looks until it is known what stays wrong, and says how much didn't; with plan it says what would mend the rest.
func (a *auditor) settle(ctx context.Context, store int64, plan, quiet bool) (report audit.Report, mend audit.Repair, err error) {
	report, passing, err := audit.Settle(func(still func(audit.Report) audit.Report, last bool) (report audit.Report, err error) {
		report, mend, err = a.lookFor(ctx, a.scope(store), plan && last, still)
		return report, err
	})
	if err == nil && passing > 0 {
		err = a.say(quiet, "%d documents differed at one look and not, or in another way, at the next: they were being changed. What is changed all the time is judged when it rests.\n", passing)
	}
	return report, mend, err
}

// look compares what a scope has, once the read models have passed what Postgres holds.
func (a *auditor) look(ctx context.Context, scope audit.Scope) (audit.Report, error) {
	report, _, err := a.lookFor(ctx, scope, false, func(r audit.Report) audit.Report { return r })
	return report, err
}

// lookFor is look for what still keeps of the differences; with plan it says what would mend those.
func (a *auditor) lookFor(ctx context.Context, scope audit.Scope, plan bool, still func(audit.Report) audit.Report) (report audit.Report, mend audit.Repair, err error) {
	err = a.withPostgres(ctx, func(conn *pgx.Conn) (err error) {
		tables, err := audit.Open(ctx, conn, scope)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, tables.Close(context.WithoutCancel(ctx))) }()
		if err := a.passed(ctx, tables); err != nil {
			return err
		}
		stores := &audit.Stores{Database: a.db, Index: audit.NewIndex(a.elasticURL, a.prefix)}
		if report, err = tables.Look(ctx, stores); err != nil {
			return err
		}
		report = still(report)
		if plan {
			mend, err = tables.Plan(ctx, report, stores)
		}
		return err
	})
	return report, mend, err
}

// passed waits until the read models have passed what the transaction sees.
func (a *auditor) passed(ctx context.Context, tables *audit.Tables) error {
	ctx, cancel := context.WithTimeout(ctx, a.wait)
	defer cancel()
	if err := a.tracker.Wait(ctx, tables.Position, stageNames...); err != nil {
		return fmt.Errorf("the read models have not passed %s within %s (freshet stage list says which of them runs): %w", tables.Position, a.wait, err)
	}
	return nil
}

// patrol audits for ever.
func (a *auditor) patrol(ctx context.Context, budget float64) error {
	registry := newRegistry()
	producer, err := projectors.NewProducer(projectors.ProducerConfig{Brokers: a.kafka, Security: a.security}, a.logger(), nil)
	if err != nil {
		return err
	}
	defer producer.Close()
	alarms := alert.NewAlarms(a.db, producer, a.prefix)
	if err := alarms.EnsureIndexes(ctx); err != nil {
		return err
	}
	patrol, err := audit.NewPatrol(audit.PatrolConfig{
		Budget: budget, Log: a.logger(),
		Tell: func(ctx context.Context, store int64, wrong map[audit.Kind][]audit.Difference) error {
			return alarms.Look(ctx, store, findings(wrong), time.Now())
		},
		Stores: a.stores,
		Slices: a.slices,
		Look:   a.look,
	}, registry)
	if err != nil {
		return err
	}
	probe := health.New(a.health, registry)
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return a.tracker.Run(ctx) })
	group.Go(func() error { return probe.Run(ctx) })
	group.Go(func() error { return patrol.Run(ctx) })
	return group.Wait()
}

// findings are what is wrong, as alarms say it.
func findings(wrong map[audit.Kind][]audit.Difference) (list []alert.Finding) {
	for kind, differences := range wrong {
		for _, d := range differences {
			detail := fmt.Sprintf("%s: want %.200v, got %.200v", cmp.Or(d.Path, "the whole"), d.Want, d.Got)
			list = append(list, alert.Finding{Kind: string(kind), Key: d.Key, Detail: detail})
		}
	}
	return list
}

func (s *settings) printReport(report audit.Report, asJSON bool) error {
	if asJSON {
		return s.printJSON(report)
	}
	return s.printf("%s", report)
}
