package write_test

import (
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"freshet/api"
	"freshet/api/write"
)

// TestWhatMeansThatPostgresIsAway: a server that is killed hangs up, without a word.
func TestWhatMeansThatPostgresIsAway(t *testing.T) {
	for want, list := range map[api.Kind][]error{
		api.Unavailable: {io.EOF, io.ErrUnexpectedEOF, &pgconn.PgError{Code: "57P01"}, &pgconn.PgError{Code: "53300"}},
		api.Internal:    {errors.New("a mistake"), &pgconn.PgError{Code: "42601"}},
	} {
		for _, err := range list {
			if got := api.KindOf(write.Translate(fmt.Errorf("read: %w", err))); got != want {
				t.Errorf("%v is %s, want %s", err, got, want)
			}
		}
	}
}
