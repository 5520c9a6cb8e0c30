package check

import (
	"context"
	"fmt"
	"time"
)

// settings looks at what the server must be started with.
func (i *inspection) settings(ctx context.Context) error {
	var level, timeout string
	var slots, senders, slotsUsed, sendersUsed, keep int
	var timeoutMillis int64
	err := i.conn.QueryRow(ctx, `
		select current_setting('wal_level'), current_setting('max_replication_slots')::int, current_setting('max_wal_senders')::int,
			(select count(*) from pg_replication_slots where slot_name <> $1), (select count(*) from pg_stat_replication),
			(select setting::int from pg_settings where name = 'max_slot_wal_keep_size'),
			(select setting::bigint from pg_settings where name = 'wal_sender_timeout'), current_setting('wal_sender_timeout')`, i.target.Slot).
		Scan(&level, &slots, &senders, &slotsUsed, &sendersUsed, &keep, &timeoutMillis, &timeout)
	if err != nil {
		return err
	}
	if level != "logical" {
		i.add(Finding{
			Severity: Error, Subject: "wal_level", What: "is " + level, Fatal: true,
			Why: "the log then lacks what logical decoding reads, and no slot can be made",
			Fix: "ALTER SYSTEM SET wal_level = logical; then restart the server",
		})
	}
	i.capacity("max_replication_slots", slots, slotsUsed, "other slots")
	i.capacity("max_wal_senders", senders, sendersUsed, "walsenders")
	if keep < 0 {
		i.add(Finding{
			Severity: Warning, Subject: "max_slot_wal_keep_size", What: "is not set",
			Why: "a slot that nobody reads keeps the log until the server's disk is full",
			Fix: "ALTER SYSTEM SET max_slot_wal_keep_size = '50GB'; SELECT pg_reload_conf();",
		})
	}
	if limit := 5 * time.Minute; timeoutMillis == 0 || timeoutMillis > limit.Milliseconds() {
		i.add(Finding{
			Severity: Info, Subject: "wal_sender_timeout", What: "is " + timeout,
			Why: "ingest asks for 15 s on its own connection; other readers that vanish hold their slots for this long",
			Fix: "ALTER SYSTEM SET wal_sender_timeout = '60s'; SELECT pg_reload_conf();",
		})
	}
	return nil
}

// capacity wants room for one more of what the setting counts.
func (i *inspection) capacity(setting string, limit, used int, what string) {
	if used < limit {
		return
	}
	i.add(Finding{
		Severity: Error, Subject: setting, What: fmt.Sprintf("is %d, and there are %d %s", limit, used, what),
		Why: "there is no room for ingest",
		Fix: fmt.Sprintf("ALTER SYSTEM SET %s = %d; then restart the server", setting, used+10),
	})
}

// role looks at what the role that connects may do.
func (i *inspection) role(ctx context.Context) error {
	var name string
	var super, replication, stats bool
	err := i.conn.QueryRow(ctx, `
		select current_user, rolsuper, rolreplication, pg_has_role(current_user, 'pg_read_all_stats', 'usage')
		from pg_roles where rolname = current_user`).Scan(&name, &super, &replication, &stats)
	if err != nil {
		return err
	}
	if !super && !replication {
		i.add(Finding{
			Severity: Error, Subject: "role " + name, What: "lacks REPLICATION",
			Why: "it can neither make nor read a slot",
			Fix: fmt.Sprintf("ALTER ROLE %s REPLICATION; (Amazon RDS: GRANT rds_replication TO %s;)", quote(name), quote(name)),
		})
	}
	if !super && !stats {
		i.add(Finding{
			Severity: Info, Subject: "role " + name, What: "does not see other roles' sessions",
			Why: "the oldest transaction, which keeps the slot's log, can't be named",
			Fix: "GRANT pg_read_all_stats TO " + quote(name) + ";",
		})
	}
	return nil
}

// transactions names what keeps the log although ingest reads it.
func (i *inspection) transactions(ctx context.Context) error {
	rows, err := i.conn.Query(ctx, `
		select what, age, fix from (
			select 'pid ' || pid || ' of ' || coalesce(usename, '?') || ', ' || coalesce(state, '?') as what,
				extract(epoch from now() - xact_start)::float8 as age, 'SELECT pg_terminate_backend(' || pid || ');' as fix
			from pg_stat_activity where backend_xid is not null
			union all
			select 'prepared transaction ' || gid, extract(epoch from now() - prepared)::float8, 'ROLLBACK PREPARED ' || quote_literal(gid) || ';'
			from pg_prepared_xacts) t
		where age > 300 order by age desc limit 5`)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var what, fix string
		var age float64
		if err := rows.Scan(&what, &age, &fix); err != nil {
			return err
		}
		i.add(Finding{
			Severity: Warning, Subject: "transaction", What: fmt.Sprintf("%s has been open for %s", what, time.Duration(age)*time.Second),
			Why: "no slot gives back any log that was written since it began, and a new slot waits for its end", Fix: fix,
		})
	}
	return rows.Err()
}
