package ingest

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"freshet/ingest/change"
)

const (
	statusEvery = time.Second
	// silence is how long the server may say nothing at all, though it is asked, before the connection counts as dead.
	silence = 30 * time.Second
	// pingBusy and pingIdle are how often an idle stream asks how far the server is: soon after something happened, and
	// when nothing has for a second.
	pingBusy = 15 * time.Millisecond
	pingIdle = 100 * time.Millisecond

	readBuffer = 128 << 10

	postgresEpoch = 946684800000000 // 2000-01-01 in microseconds since the Unix epoch
)

// reader owns the replication connection: it alone reads and writes the socket, so that a status message can't be cut in
// half by another's deadline. Nothing here waits for Kafka: a full buffer is waited for with the status timer running.
type reader struct {
	conn  net.Conn
	front *pgproto3.Frontend
	in    *bufio.Reader

	durable func() change.LSN // what may be acknowledged

	lastStatus  time.Time
	lastAcked   change.LSN
	lastMessage time.Time
	lastMoved   time.Time  // when the log was last seen to grow
	walEnd      change.LSN // as of the last keepalive
	walTime     int64      // the server's clock then, microseconds since the Unix epoch
	asked       bool       // a keepalive is on its way
	lastAsk     time.Time
	expired     bool // the read deadline has passed and must be set anew
}

// sessionSettings make the text of values independent of the server's configuration. The keepalives end the session, and with
// it the hold on the lock, of a process whose machine vanished: after 14 s instead of two hours.
var sessionSettings = map[string]string{
	"DateStyle": "ISO, MDY", "TimeZone": "UTC", "IntervalStyle": "iso_8601", "extra_float_digits": "3", "bytea_output": "hex", "lc_monetary": "C",
	"client_encoding": "UTF8", "statement_timeout": "0", "lock_timeout": "0", "idle_session_timeout": "0",
	"idle_in_transaction_session_timeout": "0", "application_name": "freshet-ingest",
	"tcp_keepalives_idle": "5", "tcp_keepalives_interval": "3", "tcp_keepalives_count": "3",
}

// connectReplication opens the connection on which the stream will run.
func connectReplication(ctx context.Context, url string) (*pgconn.PgConn, *bufio.Reader, error) {
	config, err := pgconn.ParseConfig(url)
	if err != nil {
		return nil, nil, fmt.Errorf("parse the Postgres URL: %w", err)
	}
	for name, value := range sessionSettings {
		config.RuntimeParams[name] = value
	}
	config.RuntimeParams["replication"] = "database"
	config.RuntimeParams["wal_sender_timeout"] = "15s" // the same for the slot, which the walsender holds
	var in *bufio.Reader
	config.BuildFrontend = func(r io.Reader, w io.Writer) *pgproto3.Frontend {
		// The default reads eight kilobytes at a time.
		in = bufio.NewReaderSize(r, readBuffer)
		return pgproto3.NewFrontend(in, w)
	}
	conn, err := pgconn.ConnectConfig(ctx, config)
	if err != nil {
		return nil, nil, fmt.Errorf("connect for replication: %w", err)
	}
	return conn, in, nil
}

// startReplication turns the connection into a stream from lsn on. The command is sent by hand: the connection is taken
// over whole, because deadlines are set per wait and not per message.
func startReplication(ctx context.Context, conn *pgconn.PgConn, in *bufio.Reader, slot, options string, lsn change.LSN, durable func() change.LSN) (*reader, error) {
	hijacked, err := conn.Hijack()
	if err != nil {
		return nil, fmt.Errorf("take over the replication connection: %w", err)
	}
	now := time.Now()
	r := &reader{conn: hijacked.Conn, front: hijacked.Frontend, in: in, durable: durable, lastMessage: now, lastMoved: now, walEnd: lsn}
	if err := r.start(ctx, slot, options, lsn); err != nil {
		return nil, errors.Join(err, r.conn.Close())
	}
	return r, nil
}

func (r *reader) start(ctx context.Context, slot, options string, lsn change.LSN) error {
	deadline, ok := ctx.Deadline()
	if !ok {
		deadline = time.Now().Add(silence)
	}
	if err := r.conn.SetDeadline(deadline); err != nil {
		return err
	}
	command := fmt.Sprintf(`START_REPLICATION SLOT "%s" LOGICAL %s (%s)`, slot, lsn, options)
	r.front.Send(&pgproto3.Query{String: command})
	if err := r.front.Flush(); err != nil {
		return fmt.Errorf("start replication: %w", err)
	}
	for {
		message, err := r.front.Receive()
		if err != nil {
			return fmt.Errorf("start replication: %w", err)
		}
		switch m := message.(type) {
		case *pgproto3.CopyBothResponse:
			return r.conn.SetDeadline(time.Time{})
		case *pgproto3.ErrorResponse:
			err := pgconn.ErrorResponseToPgError(m)
			if isInUse(err) {
				return &busyError{err.Error()}
			}
			return fmt.Errorf("start replication from %s: %w", lsn, err)
		}
	}
}

// errStreamEnded says that the server ended the stream in an orderly way, as it does when it shuts down.
var errStreamEnded = errors.New("the server ended the stream")

// receive returns the next XLogData payload. It returns nil and no error when none came in time or the message was for
// the reader itself. quiet is called before waiting for the socket.
func (r *reader) receive(quiet func()) (walStart change.LSN, data []byte, err error) {
	if r.expired || (r.front.ReadBufferLen() == 0 && r.in.Buffered() == 0) {
		quiet()
		r.expired = false
		if err := r.conn.SetReadDeadline(time.Now().Add(r.patience())); err != nil {
			return 0, nil, fmt.Errorf("set the read deadline: %w", err)
		}
	}
	message, err := r.front.Receive()
	if errors.Is(err, os.ErrDeadlineExceeded) {
		r.expired = true
		return 0, nil, nil
	}
	if err != nil {
		return 0, nil, fmt.Errorf("read the stream: %w", err)
	}
	switch m := message.(type) {
	case *pgproto3.CopyData:
		return r.copyData(m.Data)
	case *pgproto3.ErrorResponse:
		return 0, nil, fmt.Errorf("read the stream: %w", pgconn.ErrorResponseToPgError(m))
	case *pgproto3.CopyDone, *pgproto3.CommandComplete:
		return 0, nil, errStreamEnded
	case *pgproto3.NoticeResponse, *pgproto3.ParameterStatus:
		return 0, nil, nil
	default:
		return 0, nil, fmt.Errorf("read the stream: unexpected message %T", m)
	}
}

// patience is how long to wait for the socket before there is something else to do.
func (r *reader) patience() time.Duration {
	if time.Since(r.lastMoved) < time.Second {
		return pingBusy
	}
	return pingIdle
}

func (r *reader) copyData(data []byte) (walStart change.LSN, payload []byte, err error) {
	r.lastMessage = time.Now()
	switch {
	case len(data) >= 25 && data[0] == 'w':
		r.lastMoved = r.lastMessage
		return change.LSN(binary.BigEndian.Uint64(data[1:])), data[25:], nil
	case len(data) == 18 && data[0] == 'k':
		if end := change.LSN(binary.BigEndian.Uint64(data[1:])); end > r.walEnd {
			r.walEnd, r.lastMoved = end, r.lastMessage
		}
		r.walTime = int64(binary.BigEndian.Uint64(data[9:])) + postgresEpoch
		r.asked = false
		if data[17] == 1 {
			return 0, nil, r.sendStatus(false)
		}
		return 0, nil, nil
	default:
		return 0, nil, fmt.Errorf("read the stream: replication message of %d bytes, kind %.1q", len(data), data)
	}
}

// tick does what is due by the clock: a status where something new can be acknowledged or a second has passed, and a
// question for the server's position where the stream is idle.
func (r *reader) tick(idle bool) error {
	now := time.Now()
	if now.Sub(r.lastMessage) > silence {
		return fmt.Errorf("the server said nothing for %s: %w", silence, os.ErrDeadlineExceeded)
	}
	// An answer comes back within microseconds: without the pause the two ends would play ping-pong on a core each.
	ask := idle && now.Sub(r.lastAsk) >= r.patience() && (!r.asked || now.Sub(r.lastAsk) > statusEvery)
	due := now.Sub(r.lastStatus) >= statusEvery || (r.durable() > r.lastAcked && now.Sub(r.lastStatus) >= pingIdle)
	if ask || due {
		return r.sendStatus(ask || now.Sub(r.lastMessage) > 5*time.Second)
	}
	return nil
}

// sendStatus acknowledges what is durable: write, flush and apply alike, since a server that is told of more than was
// flushed may take it for flushed.
func (r *reader) sendStatus(ask bool) error {
	lsn := r.durable()
	now := time.Now()
	status := make([]byte, 0, 34)
	status = append(status, 'r')
	for range 3 {
		status = binary.BigEndian.AppendUint64(status, uint64(lsn))
	}
	status = binary.BigEndian.AppendUint64(status, uint64(now.UnixMicro()-postgresEpoch))
	if ask {
		status = append(status, 1)
	} else {
		status = append(status, 0)
	}
	if err := r.conn.SetWriteDeadline(now.Add(silence)); err != nil {
		return fmt.Errorf("set the write deadline: %w", err)
	}
	r.front.Send(&pgproto3.CopyData{Data: status})
	if err := r.front.Flush(); err != nil {
		return fmt.Errorf("send status: %w", err)
	}
	r.lastStatus, r.lastAcked = now, lsn
	if ask {
		r.asked, r.lastAsk = true, now
	}
	return nil
}

// close sends a last status and leaves the stream the way the protocol wants it. It waits for the server to hang up: by
// then the slot is free for whoever comes next.
func (r *reader) close() error {
	err := r.sendStatus(false)
	if err == nil {
		r.front.Send(&pgproto3.CopyDone{})
		r.front.Send(&pgproto3.Terminate{})
		err = r.front.Flush()
	}
	if err == nil {
		err = r.conn.SetReadDeadline(time.Now().Add(time.Second))
	}
	for err == nil {
		if _, end := r.front.Receive(); end != nil {
			break
		}
	}
	return errors.Join(err, r.conn.Close())
}
