package ingest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/segmentio/kafka-go"

	"freshet/ingest/change"
)

// Send gives a signal to whatever ingest reads the database: it is written to the log, and taken when the stream comes to
// it, at once or when ingest runs again. That it was taken, and what became of it, Snapshots tells. Where no slot of the
// database keeps the log yet, nobody would ever read the signal, and it is refused.
func Send(ctx context.Context, postgresURL string, sig Signal) (err error) {
	content, err := json.Marshal(sig)
	if err != nil {
		return fmt.Errorf("encode the signal: %w", err)
	}
	conn, err := pgx.Connect(ctx, postgresURL)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	defer closeQuietly(conn.Close)
	var kept bool
	// A slot that is being made has no confirmed_flush_lsn: what is written before it has is not in its stream.
	err = conn.QueryRow(ctx, `select exists (select from pg_replication_slots
		where database = current_database() and plugin = 'pgoutput' and confirmed_flush_lsn is not null)`).Scan(&kept)
	if err != nil {
		return fmt.Errorf("send the signal: %w", err)
	}
	if !kept {
		return errors.New("no replication slot of this database keeps its log yet, so nobody would read the signal: start freshet ingest, whose first snapshot publishes every row")
	}
	_, err = conn.Exec(ctx, "select pg_logical_emit_message(true, $1, $2::text)", signalPrefix, string(content))
	var pg *pgconn.PgError
	if errors.As(err, &pg) && pg.Code == "25006" { // read-only: a standby
		return fmt.Errorf("send the signal: the server is a standby; send it to the primary: %w", err)
	}
	if err != nil {
		return fmt.Errorf("send the signal: %w", err)
	}
	return nil
}

// Snapshots returns the incremental snapshots that ingest is at, and the last that ended, oldest first. Their state is what
// is durable: it is stored with ingest's position.
func Snapshots(ctx context.Context, brokers []string, prefix string) ([]Snapshot, error) {
	transport := &kafka.Transport{ClientID: "freshet-snapshot", DialTimeout: 5 * time.Second}
	defer transport.CloseIdleConnections()
	client := &kafka.Client{Addr: kafka.TCP(brokers...), Transport: transport, Timeout: 15 * time.Second}
	stored, err := positionStore{client, change.PositionTopic(prefix)}.load(ctx)
	if err != nil || stored == nil {
		return nil, err
	}
	return stored.Snapshots, nil
}
