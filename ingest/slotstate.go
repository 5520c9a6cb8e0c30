package ingest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"freshet/ingest/change"
)

// slotState is a row of pg_replication_slots. What a version of Postgres does not have is null or absent there.
type slotState struct {
	Plugin       string     `json:"plugin"`
	Database     string     `json:"database"`
	Active       bool       `json:"active"`
	Confirmed    change.LSN `json:"-"`
	ConfirmedRaw *string    `json:"confirmed_flush_lsn"`
	WALStatus    string     `json:"wal_status"`    // reserved, extended, unreserved, lost
	SafeWALSize  *int64     `json:"safe_wal_size"` // bytes until it may be lost; null without max_slot_wal_keep_size
	// Conflicting (16 on) is true for a slot on a standby that the primary has run over.
	Conflicting bool `json:"conflicting"`
	// InvalidationReason (17 on): wal_removed, rows_removed, wal_level_insufficient, idle_timeout.
	InvalidationReason string `json:"invalidation_reason"`
	// InactiveSince (17 on) is null while the slot is read.
	InactiveSince *time.Time `json:"inactive_since"`
	Failover      bool       `json:"failover"` // 17 on: a standby keeps a copy
	Synced        bool       `json:"synced"`   // 17 on: this is such a copy
	Temporary     bool       `json:"temporary"`
}

// invalid says why nothing can be read from the slot any more, "" when it can.
func (s *slotState) invalid() string {
	switch {
	case s.InvalidationReason != "":
		return "invalidation_reason " + s.InvalidationReason
	case s.Conflicting:
		return "conflicting with recovery"
	case s.WALStatus == "lost":
		return "its log was removed, see max_slot_wal_keep_size"
	}
	return ""
}

// readSlot returns the slot's state, nil when there is none.
func readSlot(ctx context.Context, conn *pgx.Conn, name string) (*slotState, error) {
	var row []byte
	err := conn.QueryRow(ctx, `select to_jsonb(s) from pg_replication_slots s where slot_name = $1 and slot_type = 'logical'`, name).Scan(&row)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read slot %s: %w", name, err)
	}
	var s slotState
	if err := json.Unmarshal(row, &s); err != nil {
		return nil, fmt.Errorf("read slot %s: %w", name, err)
	}
	if s.ConfirmedRaw != nil {
		if s.Confirmed, err = change.ParseLSN(*s.ConfirmedRaw); err != nil {
			return nil, fmt.Errorf("slot %s: %w", name, err)
		}
	}
	return &s, nil
}

// failoverVersion is the first server_version_num whose slots standbys can copy.
const failoverVersion = 170000

// wantsFailover says whether standbys are to keep a copy of the slot. Where none does, the flag costs nothing.
func (c *Config) wantsFailover(version int) bool {
	return !c.NoFailover && version >= failoverVersion
}

// alterFailover sets the flag on a slot that was made without it, or takes it away. A copy on a promoted standby has it.
func (s *session) alterFailover(ctx context.Context, slot *slotState) error {
	want := s.config.wantsFailover(s.server.Version)
	if s.server.Version < failoverVersion || slot.Failover == want {
		return nil
	}
	command := fmt.Sprintf(`ALTER_REPLICATION_SLOT "%s" (FAILOVER %t)`, s.config.Slot, want)
	if _, err := s.repl.Exec(ctx, command).ReadAll(); err != nil {
		if isInUse(err) {
			return &busyError{err.Error()}
		}
		return fmt.Errorf("%s: %w", command, err)
	}
	s.log.Info("changed the slot's failover flag", "slot", s.config.Slot, "failover", want)
	return nil
}

// completeServer asks the control connection what IDENTIFY_SYSTEM does not say.
func (s *session) completeServer(ctx context.Context, srv *server) error {
	var recovering bool
	var systemID string
	err := s.control.QueryRow(ctx, `
		select pg_is_in_recovery(), current_setting('server_version_num')::int, (select system_identifier::text from pg_control_system()),
			(select oid from pg_database where datname = current_database()),
			coalesce((select oid from pg_publication where pubname = $1), 0)`, s.config.Publication).
		Scan(&recovering, &srv.Version, &systemID, &srv.DatabaseOID, &srv.PublicationOID)
	switch {
	case err != nil:
		return fmt.Errorf("identify the server: %w", err)
	case recovering:
		return errors.New("the server is a standby: waiting for a primary (with several hosts in the URL, add target_session_attrs=read-write)")
	case systemID != srv.SystemID:
		return fmt.Errorf("two connections reached two clusters, %s and %s: the URL's hosts do not belong together", systemID, srv.SystemID)
	}
	return nil
}

// explain turns an error of the stream whose cause needs an operator into the refusal that says what to do.
func explain(err error, config *Config) error {
	var pg *pgconn.PgError
	if !errors.As(err, &pg) {
		return err
	}
	if pg.Code == "42704" { // undefined_object, in the change callback
		return &RefusedError{Reason: pg.Message + ": " + publicationRecreated(config.Publication), Repair: repairResnapshot}
	}
	if pg.Code == "22P03" { // invalid_binary_representation, of an enum label that the slot's catalog does not know
		return &RefusedError{
			Reason: pg.Message + ": a type was altered while the slot was made, and Postgres decodes by the catalog of before",
			Repair: repairResnapshot,
		}
	}
	return err
}
