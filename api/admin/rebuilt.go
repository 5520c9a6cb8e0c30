package admin

import (
	"context"
	"net/http"

	"github.com/gofiber/fiber/v2"

	"freshet/api"
	"freshet/projectors/tree"
)

// Pages knows how the newest rebuild of a store goes; tree.Store does.
type Pages interface {
	Rebuilt(ctx context.Context, store int64) (tree.Rebuilt, error)
}

// rebuilt says how the newest rebuild of a store's pages went or goes. Whose it is tells its id: several orders that come at
// once are one rebuild, under the id of the last.
func (d *Desk) rebuilt(c *fiber.Ctx) error {
	st, ok := d.store(c.Params("store"))
	if !ok {
		return api.Errorf(api.NotFound, "There is no such store.").At("store")
	}
	r, err := d.cfg.Pages.Rebuilt(c.UserContext(), st.ID)
	if err != nil {
		return api.Errorf(api.Unavailable, "MongoDB can't be reached.").RetryAfter(1).Because(err)
	}
	if r.Started.IsZero() {
		return api.Errorf(api.NotFound, "The store was never rebuilt.").At("store")
	}
	return api.Send(c, http.StatusOK, r)
}
