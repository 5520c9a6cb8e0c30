package read

import (
	"context"
	"regexp"
	"slices"
	"sync/atomic"
	"time"

	"freshet/api"
	"freshet/ingest/change"
)

const (
	headerPosition = "Freshet-Position"
	headerAsOf     = "Freshet-As-Of"
	headerBehind   = "Freshet-Behind"
)

var positionPattern = regexp.MustCompile(`^[0-9A-Fa-f]{1,8}/[0-9A-Fa-f]{1,8}$`)

// parsePosition reads the header that a write answered with; 0 for none.
func parsePosition(text string) (change.LSN, error) {
	if text == "" {
		return 0, nil
	}
	if !positionPattern.MatchString(text) {
		return 0, api.Errorf(api.Invalid, "Want what a write answered in this header, such as 0/1A2B3C8.").At(headerPosition)
	}
	lsn, err := change.ParseLSN(text)
	if err != nil {
		return 0, api.Errorf(api.Invalid, "Want what a write answered in this header, such as 0/1A2B3C8.").At(headerPosition).Because(err)
	}
	return lsn, nil
}

// clock knows how far what we read is. The stages announce their positions; the dimensions, which we hold in memory, are
// as far as their stage was when we last looked at them.
type clock struct {
	progress Progress
	dims     Dimensions
	wait     time.Duration
	loaded   atomic.Uint64 // position of the loaded dimensions
	ever     atomic.Bool   // whether they were ever loaded
}

// refresh loads the dimensions if they have moved. The stage's position is read before: what it has stored by then is
// what the load sees, or more.
func (c *clock) refresh(ctx context.Context) error {
	before, known := c.progress.Lowest(dimensionStages...)
	if err := c.dims.Refresh(ctx); err != nil {
		return err
	}
	c.ever.Store(true)
	for known {
		old := c.loaded.Load()
		if uint64(before.LSN) <= old || c.loaded.CompareAndSwap(old, uint64(before.LSN)) {
			break
		}
	}
	return nil
}

// await waits until the stages have passed the position, and reports whether that took longer than a reader waits.
func (c *clock) await(ctx context.Context, position change.LSN, stages []string) (behind bool) {
	if position == 0 {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, c.wait)
	defer cancel()
	if c.progress.Wait(ctx, position, stages...) != nil {
		return true
	}
	// Every page is found through the dimensions. A stage that has passed the position implies that theirs has.
	if change.LSN(c.loaded.Load()) < position {
		return c.refresh(ctx) != nil
	}
	return false
}

// asOf is the position up to which everything is in what is read from now on; 0 while that isn't known.
func (c *clock) asOf(stages []string) change.LSN {
	lowest, known := c.progress.Lowest(stages...)
	if !known {
		return 0
	}
	if slices.Contains(stages, dimensionStages[0]) {
		return min(lowest.LSN, change.LSN(c.loaded.Load()))
	}
	return lowest.LSN
}
