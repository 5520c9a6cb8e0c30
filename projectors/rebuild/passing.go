package rebuild

import (
	"errors"
	"io"
	"net"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/segmentio/kafka-go"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"freshet/projectors/audit"
)

const (
	// patience is how long a rebuild that somebody follows may stand still for what passes by itself: the time in which a broker
	// or a server starts again.
	patience = 2 * time.Minute
	// retryMin and retryMax bound the pauses between its attempts.
	retryMin, retryMax = 200 * time.Millisecond, 5 * time.Second
)

// passing says whether an error may be gone at the next attempt: a server that is away, starts, moves or is too slow.
func passing(err error) bool {
	var network net.Error // a refused or a reset connection, and what took too long
	if errors.As(err, &network) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) {
		return true
	}
	if mongo.IsNetworkError(err) || mongo.IsTimeout(err) {
		return true
	}
	var kafkas kafka.Error
	if errors.As(err, &kafkas) {
		return kafkas.Temporary() || errors.Is(kafkas, kafka.BrokerNotAvailable)
	}
	var answer *audit.AnswerError
	if errors.As(err, &answer) {
		return answer.Temporary()
	}
	var postgres *pgconn.PgError
	if errors.As(err, &postgres) {
		switch postgres.Code {
		case "57P01", "57P02", "57P03": // it is told to stop, has crashed, or starts
			return true
		}
	}
	return false
}

// standstill counts the time for which a job does not come on.
type standstill struct {
	at    place
	since time.Time
	next  time.Duration
}

// place is how far a job is.
type place struct {
	cursor     int64
	rows, rest bool
}

// lasts takes how far the job is now, and returns for how long it stands there and how long to wait before the next attempt.
func (s *standstill) lasts(job Job, now time.Time) (since, wait time.Duration) {
	if at := (place{job.Cursor, job.RowsDone, job.RestDone}); s.since.IsZero() || at != s.at {
		*s = standstill{at: at, since: now, next: retryMin}
	}
	wait = s.next
	s.next = min(2*s.next, retryMax)
	return now.Sub(s.since), wait
}
