package ingest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	// monitorEvery is how often the slot is looked at.
	monitorEvery = 10 * time.Second
	// longTransaction is the age at which a transaction is named as what holds the log.
	longTransaction = 5 * time.Minute
)

// lookTimeout bounds a look, so that a server or a network that hangs does not end the looking for ever.
const lookTimeout = 10 * time.Second

// looker asks a server on a connection of its own, made anew after a failure.
type looker struct {
	config *pgx.ConnConfig
	conn   *pgx.Conn
}

// row runs a query that answers one row and scans it.
func (l *looker) row(ctx context.Context, query, arg string, dst ...any) error {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	if l.conn == nil || l.conn.IsClosed() {
		conn, err := pgx.ConnectConfig(ctx, l.config)
		if err != nil {
			return fmt.Errorf("connect: %w", err)
		}
		l.conn = conn
	}
	return l.conn.QueryRow(ctx, query, arg).Scan(dst...)
}

func (l *looker) close() {
	if l.conn != nil {
		closeQuietly(l.conn.Close)
	}
}

// monitor keeps the slot's gauges while the process runs, streaming or not. Its failures are not the stream's.
func (in *Ingest) monitor(ctx context.Context) {
	config, err := pgx.ParseConfig(in.config.PostgresURL)
	if err != nil {
		return // the session says so
	}
	config.RuntimeParams["application_name"] = "freshet-ingest-monitor"
	look := looker{config: config}
	defer look.close()
	for {
		if err := in.observe(ctx, &look); err != nil && ctx.Err() == nil {
			in.log.Warn("can't look at the slot", "error", err)
		}
		if !sleep(ctx, monitorEvery) {
			return
		}
	}
}

// observe sets the gauges, and names what is about to cost the slot its log.
func (in *Ingest) observe(ctx context.Context, look *looker) error {
	var lag, retained, inactive, oldest float64
	var safe *float64
	var status, holder string
	err := look.row(ctx, `
		with now as (select case when pg_is_in_recovery() then pg_last_wal_replay_lsn() else pg_current_wal_lsn() end as lsn),
		oldest as (
			select extract(epoch from now() - since) as age, what from (
				select xact_start as since, 'pid ' || pid || ' of ' || coalesce(usename, '?') || ', ' || coalesce(state, '?') as what
					from pg_stat_activity where backend_xid is not null
				union all select prepared, 'prepared transaction ' || gid from pg_prepared_xacts) t
			order by since limit 1)
		select coalesce(pg_wal_lsn_diff(now.lsn, confirmed_flush_lsn), 0)::float8, coalesce(pg_wal_lsn_diff(now.lsn, restart_lsn), 0)::float8,
			safe_wal_size::float8, coalesce(wal_status, 'unknown'),
			coalesce(extract(epoch from now() - (to_jsonb(s) ->> 'inactive_since')::timestamptz), 0)::float8,
			coalesce((select age from oldest), 0)::float8, coalesce((select what from oldest), '')
		from pg_replication_slots s, now where slot_name = $1`, in.config.Slot,
		&lag, &retained, &safe, &status, &inactive, &oldest, &holder)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil // not made yet, or gone, which the session says
	}
	if err != nil {
		return err
	}
	m := in.metrics
	m.lagBytes.Set(lag)
	m.retained.Set(retained)
	m.inactive.Set(inactive)
	m.oldestTransaction.Set(oldest)
	if safe != nil {
		m.safeWAL.Set(*safe)
	}
	m.walStatus.Reset()
	m.walStatus.WithLabelValues(status).Set(1)
	if status == "unreserved" {
		in.log.Error("the slot is about to lose its log: ingest must catch up before the next checkpoint", "slot", in.config.Slot)
	}
	if oldest > longTransaction.Seconds() {
		in.log.Warn("a long transaction keeps the slot's log on the server's disk", "slot", in.config.Slot, "transaction", holder,
			"age", time.Duration(oldest*float64(time.Second)).Round(time.Second).String(), "retained_bytes", int64(retained))
	}
	return nil
}
