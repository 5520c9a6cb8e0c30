package ingest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// lockWait bounds one wait for the lock. A waiting statement holds a snapshot, and so keeps vacuum from cleaning up behind
// it, for as long as it waits: it gives up and asks anew.
const lockWait = "20s"

// takeLock takes the slot's lock, which goes with the control connection. The slot itself admits one reader while it streams;
// the lock does so for the time before that, and it wakes who waits at the instant the other one leaves. Until then this
// process stands by.
func (s *session) takeLock(ctx context.Context) error {
	const key = `(hashtextextended('freshet ingest ' || $1, 0))`
	ask := func(sql string, args ...any) error {
		ctx, cancel := context.WithTimeout(ctx, requestTimeout)
		defer cancel()
		_, err := s.control.Exec(ctx, sql, args...)
		return err
	}
	trying, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	var locked bool
	if err := s.control.QueryRow(trying, `select pg_try_advisory_lock`+key, s.config.Slot).Scan(&locked); err != nil {
		return fmt.Errorf("take the lock of slot %s: %w", s.config.Slot, err)
	}
	if locked {
		return nil
	}
	s.standBy("its lock is taken")
	if err := ask(`set lock_timeout = '` + lockWait + `'`); err != nil {
		return fmt.Errorf("bound the wait for the lock: %w", err)
	}
	for {
		err := ask(`select pg_advisory_lock`+key, s.config.Slot)
		var pg *pgconn.PgError
		if errors.As(err, &pg) && pg.Code == "55P03" { // lock_not_available: the wait is over
			continue
		}
		if err == nil {
			err = ask(`set lock_timeout = 0`)
		}
		if err != nil {
			return fmt.Errorf("wait for the lock of slot %s: %w", s.config.Slot, err)
		}
		s.log.Info("taking over: the other process is gone", "slot", s.config.Slot)
		return nil
	}
}

// standBy says, once, that another process has the slot.
func (in *Ingest) standBy(reason string) {
	in.setTrouble(&busyError{reason})
	if !in.standby {
		in.log.Info("standing by: another process reads the slot", "slot", in.config.Slot, "reason", reason)
	}
	in.standby = true
}

// guardEvery is how often the publication is looked at.
const guardEvery = 2 * time.Second

// guard ends the stream when the publication is no longer the one that the slot began with. From Postgres 18 on the server
// skips changes without a word while it is missing; before, it stops at them.
func (s *session) guard(ctx context.Context) error {
	look := looker{config: s.control.Config()}
	defer look.close()
	for sleep(ctx, guardEvery) {
		var oid uint32
		// Where the server is gone, the stream itself ends for it.
		err := look.row(ctx, `select coalesce((select oid from pg_publication where pubname = $1), 0)`, s.config.Publication, &oid)
		if err == nil && oid != s.server.PublicationOID {
			return &RefusedError{Reason: publicationRecreated(s.config.Publication), Repair: repairResnapshot}
		}
	}
	return nil
}
