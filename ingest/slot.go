package ingest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"freshet/ingest/change"
)

// server is what the replication connection says of the server it reached.
type server struct {
	SystemID string
	Timeline int32
	Database string
	WAL      change.LSN // written so far
	// Version is server_version_num: 170006 is 17.6.
	Version int
	// DatabaseOID and PublicationOID tell an object from its namesake that was made later.
	DatabaseOID, PublicationOID uint32
	// Switched is where the server's timeline left the stored one, 0 when that is not in its history.
	Switched change.LSN
}

// decision is how a session begins.
type decision int

const (
	startStreaming decision = iota
	startSnapshot           // create the slot and publish its snapshot
	startOver               // drop what is there of the slot first
	adoptSlot               // go on where another reader of the slot ended
)

// adopted is the position of a stream that goes on where another reader's ended. A transaction is sent again unless its
// commit record lies before what the slot has confirmed, which is the rule of a stored position too.
func adopted(config *Config, srv server, slot *slotState) *position {
	return &position{
		State: streaming, Generation: 1, LSN: slot.Confirmed, Time: time.Now().UTC(), SystemID: srv.SystemID, Timeline: srv.Timeline,
		Database: srv.Database, Slot: config.Slot, Publication: config.Publication,
		DatabaseOID: srv.DatabaseOID, PublicationOID: srv.PublicationOID, Format: config.Format.String(),
	}
}

// decide compares what we stored with what the server has. It never chooses to create a slot where a stream existed:
// Postgres would hand over everything from now on and say nothing of what it skipped.
func decide(config *Config, stored *position, srv server, slot *slotState, resnapshot bool) (decision, error) {
	refuse := func(format string, args ...any) (decision, error) {
		return 0, &RefusedError{Reason: fmt.Sprintf(format, args...), Repair: repairResnapshot}
	}
	if slot != nil && (slot.Plugin != "pgoutput" || slot.Database != srv.Database) {
		return 0, &RefusedError{
			Reason: fmt.Sprintf("slot %s belongs to plugin %s in database %s", config.Slot, slot.Plugin, slot.Database),
			Repair: "to repair: choose another slot name with --slot, or drop that one with SELECT pg_drop_replication_slot('" + config.Slot + "')",
		}
	}
	switch {
	case resnapshot:
		return startOver, nil
	case stored == nil && slot == nil && config.AdoptSlot:
		return 0, &RefusedError{
			Reason: fmt.Sprintf("there is no slot %s to adopt", config.Slot),
			Repair: "to repair: name the other reader's slot with --slot, or leave --adopt-slot out to begin with a snapshot",
		}
	case stored == nil && slot == nil:
		return startSnapshot, nil
	case stored == nil && config.AdoptSlot && slot.invalid() == "":
		return adoptSlot, nil
	case stored == nil:
		return refuse("slot %s exists but topic %s holds no position: Kafka lost it, or the slot is someone else's (whose place --adopt-slot takes)",
			config.Slot, positionSpec(config.Prefix).Name)
	}
	if reason := stored.differs(config, srv); reason != "" {
		return refuse("%s", reason)
	}
	switch {
	case stored.State == snapshotting && (stored.LSN == 0 || slot == nil || slot.invalid() != ""):
		return startOver, nil // nobody was told yet that the stream has begun
	case slot == nil:
		return refuse("slot %s is gone, and with it what was committed since %s", config.Slot, stored.LSN)
	case slot.invalid() != "":
		return refuse("slot %s is invalid (%s), and with it is lost what was committed since %s", config.Slot, slot.invalid(), stored.LSN)
	case slot.Confirmed > stored.LSN:
		return refuse("slot %s stands at %s, past the stored %s: it was dropped and made again, or someone else read from it", config.Slot, slot.Confirmed, stored.LSN)
	case stored.LSN > srv.WAL:
		return refuse("the stored position %s is ahead of the server's log, which ends at %s: an older backup, or a standby that lagged", stored.LSN, srv.WAL)
	case stored.Timeline != srv.Timeline && stored.LSN > srv.Switched:
		return refuse("the server is on timeline %d, which left ours (%d) at %s, before the stored %s: what was published since is not in its history",
			srv.Timeline, stored.Timeline, srv.Switched, stored.LSN)
	}
	return startStreaming, nil
}

// differs says what about the server or the configuration is not what the position was stored for. Objects of the same name
// count as others when they were made later; positions of old versions don't name them.
func (p position) differs(config *Config, srv server) string {
	switch {
	case p.SystemID != srv.SystemID:
		return fmt.Sprintf("the stored position belongs to Postgres cluster %s, this is %s", p.SystemID, srv.SystemID)
	case p.Database != srv.Database || p.Slot != config.Slot || p.Publication != config.Publication:
		return fmt.Sprintf("the stored position belongs to database %s, slot %s, publication %s; configured are %s, %s, %s",
			p.Database, p.Slot, p.Publication, srv.Database, config.Slot, config.Publication)
	case p.DatabaseOID != 0 && p.DatabaseOID != srv.DatabaseOID:
		return fmt.Sprintf("database %s was dropped and made again since the position was stored", srv.Database)
	case p.PublicationOID != 0 && p.PublicationOID != srv.PublicationOID:
		return publicationRecreated(config.Publication)
	}
	return ""
}

// publicationRecreated is the reason to refuse: what was committed while there was no publication is not in the stream, and
// a server before 18 can't read past it at all.
func publicationRecreated(name string) string {
	return fmt.Sprintf("publication %s was dropped, or dropped and made again: what was committed in between is not in the stream", name)
}

// identify asks the replication connection what it is connected to. stored may be nil.
func identify(ctx context.Context, conn *pgconn.PgConn, stored *position) (server, error) {
	row, err := queryRow(ctx, conn, "IDENTIFY_SYSTEM", 4)
	if err != nil {
		return server{}, err
	}
	srv := server{SystemID: string(row[0]), Database: string(row[3])}
	if _, err := fmt.Sscan(string(row[1]), &srv.Timeline); err != nil {
		return server{}, fmt.Errorf("timeline %q: %w", row[1], err)
	}
	if srv.WAL, err = change.ParseLSN(string(row[2])); err != nil {
		return server{}, err
	}
	if stored != nil && stored.Timeline != srv.Timeline && srv.Timeline > 1 {
		history, err := queryRow(ctx, conn, fmt.Sprintf("TIMELINE_HISTORY %d", srv.Timeline), 2)
		if err != nil {
			return server{}, err
		}
		srv.Switched = switchPoint(string(history[1]), stored.Timeline)
	}
	return srv, nil
}

// switchPoint finds in a timeline history ("1\t0/3000000\treason" a line) where a timeline was left, 0 when it is not there.
func switchPoint(history string, timeline int32) change.LSN {
	for line := range strings.Lines(history) {
		columns := strings.Fields(line)
		if len(columns) < 2 || columns[0] != fmt.Sprint(timeline) {
			continue
		}
		if lsn, err := change.ParseLSN(columns[1]); err == nil {
			return lsn
		}
	}
	return 0
}

// queryRow runs a replication command that answers one row.
func queryRow(ctx context.Context, conn *pgconn.PgConn, command string, columns int) ([][]byte, error) {
	results, err := conn.Exec(ctx, command).ReadAll()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", command, err)
	}
	if len(results) != 1 || len(results[0].Rows) != 1 || len(results[0].Rows[0]) < columns {
		return nil, fmt.Errorf("%s: an answer of another shape", command)
	}
	return results[0].Rows[0], nil
}

// createSlot makes the slot and exports its snapshot, which lives as long as the connection stays idle.
// failover lets a standby keep a copy of it.
func createSlot(ctx context.Context, conn *pgconn.PgConn, name string, failover bool) (consistent change.LSN, snapshot string, err error) {
	options := "SNAPSHOT 'export'"
	if failover {
		options += ", FAILOVER true"
	}
	return exportSnapshot(ctx, conn, `CREATE_REPLICATION_SLOT "`+name+`" LOGICAL pgoutput (`+options+`)`)
}

// createTemporarySlot makes a slot that goes with the connection, for the snapshot it exports.
func createTemporarySlot(ctx context.Context, conn *pgconn.PgConn, name string) (consistent change.LSN, snapshot string, err error) {
	return exportSnapshot(ctx, conn, `CREATE_REPLICATION_SLOT "`+name+`" TEMPORARY LOGICAL pgoutput (SNAPSHOT 'export')`)
}

func exportSnapshot(ctx context.Context, conn *pgconn.PgConn, command string) (consistent change.LSN, snapshot string, err error) {
	row, err := queryRow(ctx, conn, command, 3)
	if err != nil {
		return 0, "", err
	}
	consistent, err = change.ParseLSN(string(row[1]))
	return consistent, string(row[2]), err
}

func dropSlot(ctx context.Context, conn *pgx.Conn, name string) error {
	_, err := conn.Exec(ctx, `select pg_drop_replication_slot(slot_name) from pg_replication_slots where slot_name = $1`, name)
	if isInUse(err) {
		return &busyError{err.Error()}
	}
	if err != nil {
		return fmt.Errorf("drop slot %s: %w", name, err)
	}
	return nil
}

// isInUse recognises object_in_use: another process reads the slot.
func isInUse(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && pg.Code == "55006"
}
