package ingest

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
)

// monitorEvery is how often the slot is looked at.
const monitorEvery = 10 * time.Second

// monitor keeps the slot's gauges. It has a connection of its own, and its failures are not the stream's.
func (s *session) monitor(ctx context.Context) error {
	config := s.control.Config()
	for {
		if err := s.observe(ctx, config); err != nil && ctx.Err() == nil {
			s.log.Warn("can't look at the slot", "error", err)
		}
		if !sleep(ctx, monitorEvery) {
			return nil
		}
	}
}

func (s *session) observe(ctx context.Context, config *pgx.ConnConfig) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return err
	}
	defer closeQuietly(conn.Close)
	var lag, retained float64
	var status string
	err = conn.QueryRow(ctx, `
		select coalesce(pg_wal_lsn_diff(pg_current_wal_lsn(), confirmed_flush_lsn), 0)::float8,
			coalesce(pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn), 0)::float8, coalesce(wal_status, 'unknown')
		from pg_replication_slots where slot_name = $1`, s.config.Slot).Scan(&lag, &retained, &status)
	if err != nil {
		return err
	}
	s.metrics.lagBytes.Set(lag)
	s.metrics.retained.Set(retained)
	s.metrics.walStatus.Reset()
	s.metrics.walStatus.WithLabelValues(status).Set(1)
	if status == "unreserved" {
		s.log.Error("the slot is about to lose its log: ingest must catch up before the next checkpoint", "slot", s.config.Slot)
	}
	return nil
}
