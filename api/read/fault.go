package read

import (
	"context"
	"errors"
	"math"

	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/x/mongo/driver/topology"

	"freshet/api"
	"freshet/projectors/tree"
	"freshet/search"
)

// explain turns what the stores say into an answer. Errors with a kind pass as they are, and so do those that nobody
// expected: the server calls them internal.
func (s *Shop) explain(err error) error {
	var unavailable *search.Unavailable
	var invalid *search.Invalid
	var expired *search.Expired
	switch {
	case errors.As(err, new(*api.Error)):
		return err
	case errors.Is(err, tree.ErrNotFound):
		return api.Errorf(api.NotFound, "The store has no such page.").Because(err)
	case errors.As(err, &invalid):
		return api.Errorf(api.Invalid, "%s.", invalid.Reason).At(parameter(invalid.Field))
	case errors.As(err, &expired):
		return api.Errorf(api.Gone, "The cursor can't be gone on from: %s. Begin again with cursor=*.", expired.Reason).At("cursor")
	case errors.As(err, &unavailable):
		seconds := max(1, int(math.Ceil(unavailable.RetryAfter.Seconds())))
		return api.Errorf(api.Unavailable, "The search can't be reached; pages are still there.").RetryAfter(seconds).Because(err)
	case absent(err):
		return api.Errorf(api.Unavailable, "The pages can't be reached.").RetryAfter(1).Because(err)
	}
	return err
}

// absent says whether the error is of the way to MongoDB, or its own trouble, and not of what was found there.
func absent(err error) bool {
	return mongo.IsNetworkError(err) || mongo.IsTimeout(err) || errors.Is(err, context.DeadlineExceeded) ||
		errors.Is(err, context.Canceled) || errors.Is(err, mongo.ErrClientDisconnected) ||
		errors.As(err, new(topology.ServerSelectionError)) || errors.As(err, new(topology.ConnectionError)) ||
		errors.As(err, new(mongo.CommandError))
}

// parameter is what the API calls a field of a search.Query.
func parameter(field string) string {
	switch field {
	case "text":
		return "q"
	case "price":
		return "price_min"
	}
	return field
}
