package tree

import (
	"context"
	"fmt"
	"time"

	"freshet/projectors/dimension"
)

// source is where a handler gets the newest dimensions.
type source interface {
	Get() dimensions
	Refresh(ctx context.Context) error // reads them again if there are newer ones
}

// cached makes a dimension.Cache a source.
type cached struct{ *dimension.Cache }

// Get returns the newest dimensions.
func (c cached) Get() dimensions { return c.Cache.Get() }

// dimensionPoll is the pause between looks for a version that is not there yet.
const dimensionPoll = 20 * time.Millisecond

// awaitDimensions refreshes the dimensions until they are of the version that the commands name.
//
// The rows were stored before the command was published and are read from the primary, so one refresh has them. The
// version can still be short of the command's when the dimensions were dropped and folded again, since it counts batches;
// waiting for ever would then stop the partition for nothing.
func (h *Handler) awaitDimensions(ctx context.Context, tasks []*task) error {
	var want int64
	for _, t := range tasks {
		want = max(want, t.dims)
	}
	if want == 0 {
		return nil
	}
	timeout := time.NewTimer(h.cfg.DimensionWait)
	defer timeout.Stop()
	for {
		if err := h.dims.Refresh(ctx); err != nil {
			return fmt.Errorf("refresh the dimensions: %w", err)
		}
		have := h.dims.Get().Version()
		if have >= want {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-timeout.C:
			h.log.WarnContext(ctx, "the dimensions are below the version a command names; going on with them", "version", have, "named", want)
			return nil
		case <-time.After(dimensionPoll):
		}
	}
}
