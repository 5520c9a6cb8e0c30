package bench

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/jackc/pglogrepl"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"freshet/ingest/change"
)

// stream reads a slot and gives each message to data, which must not keep it; errEnd when the stream has passed end.
func stream(ctx context.Context, conn *pgconn.PgConn, slot string, end change.LSN, data func([]byte)) error {
	err := pglogrepl.StartReplication(ctx, conn, slot, 0, pglogrepl.StartReplicationOptions{
		PluginArgs: []string{"proto_version '1'", "publication_names 'freshet'"},
	})
	if err != nil {
		return fmt.Errorf("start replication: %w", err)
	}
	for {
		msg, err := conn.ReceiveMessage(ctx)
		if err != nil {
			return fmt.Errorf("receive: %w", err)
		}
		copied, ok := msg.(*pgproto3.CopyData)
		if !ok {
			return fmt.Errorf("receive: unexpected %T", msg)
		}
		switch copied.Data[0] {
		case pglogrepl.PrimaryKeepaliveMessageByteID:
			keepalive, err := pglogrepl.ParsePrimaryKeepaliveMessage(copied.Data[1:])
			if err != nil {
				return fmt.Errorf("keepalive: %w", err)
			}
			if change.LSN(keepalive.ServerWALEnd) >= end {
				return errEnd
			}
			if keepalive.ReplyRequested { // a reader that never answers is cut off
				if err := pglogrepl.SendStandbyStatusUpdate(ctx, conn, pglogrepl.StandbyStatusUpdate{WALWritePosition: keepalive.ServerWALEnd}); err != nil {
					return fmt.Errorf("answer a keepalive: %w", err)
				}
			}
		case pglogrepl.XLogDataByteID:
			x, err := pglogrepl.ParseXLogData(copied.Data[1:])
			if err != nil {
				return fmt.Errorf("data: %w", err)
			}
			if change.LSN(x.WALStart) >= end {
				return errEnd
			}
			data(x.WALData)
		}
	}
}

// resetPeak makes the kernel forget this process's highest resident set size, where it can.
func resetPeak() {
	_ = os.WriteFile("/proc/self/clear_refs", []byte("5"), 0o200) // without it the peak is that of the whole run: higher, never lower
}

// peakRSS is the highest resident set size of this process since resetPeak, in bytes; 0 where the system does not say.
func peakRSS() int64 {
	kb, err := strconv.ParseInt(strings.TrimSuffix(field("/proc/self/status", "VmHWM"), " kB"), 10, 64)
	if err != nil {
		return 0
	}
	return kb << 10
}
