package stacktest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/jackc/pgx/v5"
)

// StandbySlot is the physical slot of the primary that a Standby streams through.
const StandbySlot = "standby"

// Standby makes a hot standby of the server that streams from it. From 17 on it keeps
// the primary's failover slots in step. It is stopped when t ends.
func (s *Server) Standby(t testing.TB, settings ...string) *Server {
	t.Helper()
	standby := newServer(t, s.account, s.program, s.major)
	standby.settings = append(append([]string{}, s.settings...),
		"hot_standby=on", "hot_standby_feedback=on", "wal_receiver_status_interval=1s", "primary_slot_name="+StandbySlot,
		fmt.Sprintf("primary_conninfo=host=127.0.0.1 port=%d user=postgres dbname=postgres application_name=%s", s.port, StandbySlot))
	if s.major >= 17 {
		standby.settings = append(standby.settings, "sync_replication_slots=on")
	}
	standby.settings = append(standby.settings, settings...)
	standby.data = filepath.Join(standby.home(), "data")
	if err := s.backup(t.Context(), standby.data); err != nil {
		t.Fatalf("copy the primary: %v", err)
	}
	if err := s.account.Own(standby.data); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(standby.discard)
	standby.Start()
	return standby
}

// backup copies the running server's files between the two halves of a base backup.
// The log is left out: the slot keeps it, and the standby fetches it by streaming.
func (s *Server) backup(ctx context.Context, target string) error {
	return onServer(ctx, s.URL(), func(conn *pgx.Conn) error {
		if _, err := conn.Exec(ctx, "SELECT pg_create_physical_replication_slot($1, true)", StandbySlot); err != nil {
			return err
		}
		if _, err := conn.Exec(ctx, "SELECT pg_backup_start('standby', true)"); err != nil {
			return err
		}
		if err := copyCluster(s.data, target); err != nil {
			return err
		}
		var label string
		if err := conn.QueryRow(ctx, "SELECT labelfile FROM pg_backup_stop(false)").Scan(&label); err != nil {
			return err
		}
		return errors.Join(
			os.WriteFile(filepath.Join(target, "backup_label"), []byte(label), 0o600),
			os.WriteFile(filepath.Join(target, "standby.signal"), nil, 0o600))
	})
}

// copyCluster tolerates files that vanish: a table dropped meanwhile is dropped again by
// the log.
func copyCluster(source, target string) error {
	return filepath.WalkDir(source, func(path string, entry fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(source, path)
		if err != nil {
			return err
		}
		to := filepath.Join(target, relative)
		if entry.IsDir() {
			if err := os.MkdirAll(to, 0o700); err != nil {
				return err
			}
			switch relative {
			case "pg_wal", "pg_replslot", "pg_dynshmem", "pg_notify", "pg_stat_tmp", "pg_subtrans":
				return fs.SkipDir
			}
			return nil
		}
		if relative == "postmaster.pid" || relative == "postmaster.opts" {
			return nil
		}
		content, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		return os.WriteFile(to, content, 0o600)
	})
}

// Promote makes the standby a primary, on a timeline of its own.
func (s *Server) Promote() {
	s.t.Helper()
	s.Exec("SELECT pg_promote(true, 60)")
}
