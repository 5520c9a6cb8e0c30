package check

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
)

const resnapshot = "freshet ingest --resnapshot"

// slotRow is the slot; what the version does not know is empty.
type slotRow struct {
	plugin, database, here, status, reason string
	active, failover, conflicting          bool
	retained                               int64
	safe                                   *int64
}

// slot looks at the slot, if it is there: ingest makes it.
func (i *inspection) slot(ctx context.Context) error {
	var s slotRow
	subject := "slot " + i.target.Slot
	err := i.conn.QueryRow(ctx, `
		select plugin::text, database::text, current_database()::text, coalesce(wal_status, ''), coalesce(to_jsonb(s) ->> 'invalidation_reason', ''), active,
			coalesce((to_jsonb(s) ->> 'failover')::bool, false), coalesce((to_jsonb(s) ->> 'conflicting')::bool, false),
			coalesce(pg_wal_lsn_diff(case when pg_is_in_recovery() then pg_last_wal_replay_lsn() else pg_current_wal_lsn() end, restart_lsn), 0)::bigint, safe_wal_size
		from pg_replication_slots s where slot_name = $1 and slot_type = 'logical'`, i.target.Slot).
		Scan(&s.plugin, &s.database, &s.here, &s.status, &s.reason, &s.active, &s.failover, &s.conflicting, &s.retained, &s.safe)
	if errors.Is(err, pgx.ErrNoRows) {
		i.add(Finding{Severity: Info, Subject: subject, What: "does not exist", Why: "the first start of ingest makes it and publishes every row"})
		return nil
	}
	if err != nil {
		return err
	}
	switch {
	case s.plugin != "pgoutput" || s.database != s.here:
		i.add(Finding{
			Severity: Error, Subject: subject, What: fmt.Sprintf("belongs to plugin %s in database %s", s.plugin, s.database),
			Why: "it is somebody else's", Fix: "choose another with --slot",
		})
		return nil
	case s.status == "lost" || s.reason != "" || s.conflicting:
		i.add(Finding{
			Severity: Error, Subject: subject, What: "is invalid: wal_status " + s.status + ", " + s.reason,
			Why: "the log behind it is gone, and the changes in it", Fix: resnapshot,
		})
		return nil
	case s.status == "unreserved":
		i.add(Finding{
			Severity: Error, Subject: subject, What: "wal_status is unreserved",
			Why: "at the next checkpoint its log is removed, unless ingest has caught up by then",
			Fix: "ALTER SYSTEM SET max_slot_wal_keep_size = -1; SELECT pg_reload_conf(); and let ingest catch up",
		})
	}
	if !s.active {
		i.add(Finding{
			Severity: Warning, Subject: subject, What: fmt.Sprintf("is not read, and keeps %s of log", size(s.retained)),
			Why: "it keeps every byte until it is", Fix: "start freshet ingest, or give it up with SELECT pg_drop_replication_slot('" + i.target.Slot + "');",
		})
	} else if s.retained > 1<<30 {
		i.add(Finding{
			Severity: Warning, Subject: subject, What: "keeps " + size(s.retained) + " of log although it is read",
			Why: "ingest is behind, or a transaction is open that began that long ago: see the findings on transactions",
		})
	}
	if s.safe != nil && *s.safe < 1<<30 {
		i.add(Finding{
			Severity: Warning, Subject: subject, What: size(*s.safe) + " more of log and it may be lost",
			Why: "max_slot_wal_keep_size bounds it", Fix: "let ingest catch up, or raise max_slot_wal_keep_size",
		})
	}
	if i.version >= 170000 && !s.failover {
		i.add(Finding{
			Severity: Warning, Subject: subject, What: "is not a failover slot", Why: "after a failover it does not exist, and every row is published again",
			Fix: "start freshet ingest without --failover=false: it sets the flag",
		})
	}
	return nil
}

func size(bytes int64) string {
	switch {
	case bytes >= 1<<30:
		return fmt.Sprintf("%.1f GB", float64(bytes)/(1<<30))
	case bytes >= 1<<20:
		return fmt.Sprintf("%.1f MB", float64(bytes)/(1<<20))
	default:
		return fmt.Sprintf("%d kB", bytes>>10)
	}
}

// failover looks whether a standby could carry the stream on.
func (i *inspection) failover(ctx context.Context) error {
	var standbys int
	var recovering bool
	var named string
	err := i.conn.QueryRow(ctx, `
		select (select count(*) from pg_replication_slots where slot_type = 'physical'), pg_is_in_recovery(),
			coalesce(current_setting('synchronized_standby_slots', true), '')`).Scan(&standbys, &recovering, &named)
	if err != nil {
		return err
	}
	if recovering {
		i.add(Finding{
			Severity: Error, Subject: "server", What: "is a standby", Why: "ingest reads from a primary",
			Fix: "name all hosts in the URL and add target_session_attrs=read-write",
		})
		return i.standby(ctx)
	}
	switch {
	case standbys == 0:
	case i.version < 170000:
		i.add(Finding{
			Severity: Warning, Subject: "failover", What: "this version copies no slots to standbys",
			Why: "after a failover the slot is gone, and every row is published again", Fix: "upgrade to Postgres 17, or let Patroni keep the slot (slots: in its configuration)",
		})
	case named == "":
		i.add(Finding{
			Severity: Warning, Subject: "synchronized_standby_slots", What: "is empty although there are physical slots",
			Why: "ingest may publish what no standby has: after a failover to a standby that lagged, the stream is refused",
			Fix: "ALTER SYSTEM SET synchronized_standby_slots = '<the standby's physical slot>'; SELECT pg_reload_conf(); on the standby set sync_replication_slots = on, hot_standby_feedback = on, and dbname in primary_conninfo",
		})
	}
	return nil
}

// standby looks at a standby's own part.
func (i *inspection) standby(ctx context.Context) error {
	for _, setting := range []string{"sync_replication_slots", "hot_standby_feedback"} {
		var value *string
		if err := i.conn.QueryRow(ctx, `select current_setting($1, true)`, setting).Scan(&value); err != nil {
			return err
		}
		if value == nil || *value == "on" {
			continue
		}
		i.add(Finding{
			Severity: Warning, Subject: setting, What: "is " + *value, Why: "the standby keeps no copy of the slot",
			Fix: "ALTER SYSTEM SET " + setting + " = on; SELECT pg_reload_conf();",
		})
	}
	return nil
}
