package bench

import (
	"math/rand/v2"
	"time"
)

const (
	missBytes = 64 << 20 // more than a core's share of any cache
	lineBytes = 64
	missLoads = 500_000
)

// loadFromMemory measures what one load takes that depends on the one before and finds nothing in the caches, in nanoseconds.
// On a machine whose memory others use too it is the figure that tells a bad hour from a good one: by it, more than by the
// clock of the cores, do two runs differ that have the same program and data.
func loadFromMemory() float64 {
	const step = lineBytes / 4
	chain := make([]int32, missBytes/4)
	order := rand.Perm(len(chain) / step) // one cycle through every line, so that no prefetcher can guess the next
	for i, line := range order {
		chain[line*step] = int32(order[(i+1)%len(order)] * step)
	}
	at, began := int32(0), time.Now()
	for range missLoads {
		at = chain[at]
	}
	took := time.Since(began)
	if at < 0 { // never: it keeps the loads from being optimised away
		return 0
	}
	return float64(took.Nanoseconds()) / missLoads
}
