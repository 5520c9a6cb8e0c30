// Package limit says who may go on now and who has to wait: so often a second on average, and so many times at once. The
// servers ask it for client addresses, accounts, e-mail addresses that are tried, and SKUs.
//
// Memory counts within one process. Shared counts for all servers that use one Redis, and goes on within the process for
// as long as Redis is away: a limit never fails a request, and never makes one wait longer than a moment.
//
// Both are the generic cell rate algorithm: for each key one number, the time at which its allowance is full again.
package limit

import (
	"fmt"
	"math"
	"time"
)

// Rate is how often something may be done.
type Rate struct {
	// PerSecond is how often on average; from one in a day to a million.
	PerSecond float64
	// Burst is how many times at once before the average holds, at least 1.
	Burst int
}

const (
	slowest = 1.0 / (24 * 60 * 60)
	fastest = 1e6 // Redis counts in microseconds
	// longest keeps the allowance of a key from being a time that overflows.
	longest = 365 * 24 * time.Hour
)

// Check says what is wrong with the rate, nil when nothing is.
func (r Rate) Check() error {
	if math.IsNaN(r.PerSecond) || r.PerSecond < slowest || r.PerSecond > fastest {
		return fmt.Errorf("a rate is from one in a day to %.0f a second, not %g a second", fastest, r.PerSecond)
	}
	if r.Burst < 1 || float64(r.Burst) > longest.Seconds()*r.PerSecond {
		return fmt.Errorf("at once is from 1 to what the rate allows in a year, not %d", r.Burst)
	}
	return nil
}

// each is what one time costs.
func (r Rate) each() time.Duration { return time.Duration(float64(time.Second) / r.PerSecond) }

// ahead is how far ahead of now the time of a key may be.
func (r Rate) ahead() time.Duration { return r.each() * time.Duration(r.Burst) }
