package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"freshet/ingest"
	"freshet/ingest/change"
	"freshet/projectors"
	"freshet/projectors/alert"
	"freshet/projectors/audit"
	"freshet/projectors/catalog"
	"freshet/projectors/dimension"
	"freshet/projectors/offer"
	"freshet/projectors/order"
	"freshet/projectors/progress"
	"freshet/projectors/rebuild"
)

// rebuildWait is how long one part of a rebuild waits for the read models before it fails, and is tried again.
const rebuildWait = 10 * time.Minute

func (s *settings) rebuildEverything(ctx context.Context, o rebuildOptions) (err error) {
	client, err := s.openMongo("rebuild")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, client.Disconnect(context.WithoutCancel(ctx))) }()
	db := client.Database(s.mongoDatabase)
	board := rebuild.Open(db)
	switch {
	case o.status:
		return s.rebuildStatus(ctx, board, o.json)
	case o.stop:
		job, err := board.Stop(ctx)
		if err != nil {
			return err
		}
		return s.printJob(job)
	}
	job, err := board.Begin(ctx, rebuild.Order{Rows: o.rows, Rate: o.rate, Budget: o.budget, Reason: o.reason})
	if err != nil {
		return err
	}
	if err := s.printf("rebuild %s\n", job.Run); err != nil {
		return err
	}
	tracker, err := s.openTracker(leisure)
	if err != nil {
		return err
	}
	runner := s.rebuilder(db, board, tracker)
	runner.Tell = s.printJob
	return s.tracking(ctx, tracker, func(ctx context.Context) error {
		if job, err = runner.Follow(ctx, job.Run); err != nil {
			return fmt.Errorf("%w; the same command goes on where it was", err)
		}
		if err := s.printJob(job); err != nil {
			return err
		}
		if job.State != rebuild.Done {
			return fmt.Errorf("the rebuild %s: %d documents are wrong; freshet rebuild --status --json names them", job.State, job.Wrong)
		}
		return nil
	})
}

func (s *settings) rebuildStatus(ctx context.Context, board *rebuild.Board, asJSON bool) error {
	job, err := board.Job(ctx)
	switch {
	case err != nil:
		return err
	case job.Run == "":
		return s.printf("all stores were never rebuilt\n")
	case asJSON:
		return s.printJSON(job)
	}
	return s.printJob(job)
}

func (s *settings) printJob(job rebuild.Job) error {
	stage := fmt.Sprintf("%d of %d stores, up to store %d", job.Stored, job.Stores, job.Cursor)
	if job.Rows && !job.RowsDone {
		stage = "rows are published again"
	}
	if err := s.printf("%s: %s; %d documents compared, %d stores mended, %d documents wrong\n",
		job.State, stage, job.Documents, job.Mended, job.Wrong); err != nil || job.Problem == "" {
		return err
	}
	return s.printf("it does not go on: %s\n", job.Problem)
}

// rebuilder returns what carries out rebuilds of all stores. The tracker must run.
func (s *settings) rebuilder(db *mongo.Database, board *rebuild.Board, tracker *progress.Tracker) *rebuild.Runner {
	a := &auditor{settings: s, db: db, tracker: tracker, wait: rebuildWait, rest: true}
	return rebuild.NewRunner(board, rebuild.Work{
		Rows: a.rows, Stores: a.stores,
		Store: func(ctx context.Context, store int64) error {
			return a.command(ctx, []projectors.Command{{Kind: projectors.Rebuild, Store: store}}, "a rebuild of all stores")
		},
		Look: func(ctx context.Context, store int64) (audit.Report, error) { return a.look(ctx, a.scope(store)) },
		Mend: func(ctx context.Context, store int64) error {
			_, mend, err := a.settle(ctx, store, true, true)
			if err == nil && !mend.Empty() {
				_, err = a.mend(ctx, store, mend, true)
			}
			return err
		},
	}, s.logger())
}

// folded are the tables that documents are folded from, dimensions first. The ledger is left out: it is counted, and rows of
// it that are read again are no new count.
func folded() (tables []string) {
	for _, table := range slices.Concat(dimension.Tables, catalog.Tables, offer.Tables, order.Tables, alert.Tables) {
		if table != "stock_movements" && !slices.Contains(tables, table) {
			tables = append(tables, table)
		}
	}
	return tables
}

// rows has ingest publish all rows again and waits until the read models have passed them. Asked again under the same name
// it waits for what it has ordered before.
func (a *auditor) rows(ctx context.Context, name string, rate int) error {
	known, err := a.snapshotOf(ctx, name)
	if err != nil {
		return err
	}
	if known == nil {
		signal := ingest.Signal{Kind: "repair", Order: ingest.Order{ID: name, Tables: folded(), Rate: rate}}
		if err := ingest.Send(ctx, a.postgresURL, signal); err != nil {
			return err
		}
	}
	if err := a.published(ctx, name); err != nil {
		return err
	}
	var end string
	err = a.withPostgres(ctx, func(conn *pgx.Conn) error {
		return conn.QueryRow(ctx, "select pg_current_wal_insert_lsn()::text").Scan(&end)
	})
	if err != nil {
		return fmt.Errorf("read the position: %w", err)
	}
	position, err := change.ParseLSN(end)
	if err != nil {
		return err
	}
	return a.tracker.Wait(ctx, position, stageNames...)
}
