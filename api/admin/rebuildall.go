package admin

import (
	"context"
	"errors"
	"net/http"

	"github.com/gofiber/fiber/v2"

	"freshet/api"
	"freshet/projectors/rebuild"
)

// Rebuilds keeps the rebuild of all stores; rebuild.Board does.
type Rebuilds interface {
	Begin(ctx context.Context, order rebuild.Order) (rebuild.Job, error)
	Job(ctx context.Context) (rebuild.Job, error)
	Stop(ctx context.Context) (rebuild.Job, error)
}

// defaultBudget leaves the shop as much time as a rebuild takes.
const defaultBudget = 0.5

func (d *Desk) rebuildAll(c *fiber.Ctx) error {
	order := rebuild.Order{Budget: defaultBudget}
	if len(c.Body()) > 0 {
		if err := api.Body(c, &order); err != nil {
			return err
		}
	}
	if err := order.Validate(); err != nil {
		return api.Errorf(api.Invalid, "It can't be carried out: %s.", err)
	}
	if len(order.Reason) > maxReason {
		return api.Errorf(api.Invalid, "The reason may have at most %d bytes.", maxReason).At("reason")
	}
	job, err := d.cfg.Rebuilds.Begin(c.UserContext(), order)
	if err != nil {
		return api.Errorf(api.Unavailable, "MongoDB can't be reached.").RetryAfter(1).Because(err)
	}
	return api.Send(c, http.StatusAccepted, job)
}

func (d *Desk) rebuildOfAll(c *fiber.Ctx) error {
	job, err := d.cfg.Rebuilds.Job(c.UserContext())
	switch {
	case err != nil:
		return api.Errorf(api.Unavailable, "MongoDB can't be reached.").RetryAfter(1).Because(err)
	case job.Run == "":
		return api.Errorf(api.NotFound, "All stores were never rebuilt.")
	}
	return api.Send(c, http.StatusOK, job)
}

func (d *Desk) stopRebuild(c *fiber.Ctx) error {
	job, err := d.cfg.Rebuilds.Stop(c.UserContext())
	switch {
	case errors.Is(err, rebuild.ErrNone):
		return api.Errorf(api.Conflict, "There is no rebuild under way.").Because(err)
	case err != nil:
		return api.Errorf(api.Unavailable, "MongoDB can't be reached.").RetryAfter(1).Because(err)
	}
	return api.Send(c, http.StatusOK, job)
}
