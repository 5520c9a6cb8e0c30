package admin

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"freshet/api"
	"freshet/projectors"
	"freshet/projectors/control"
)

// maxReason bounds what people write down with an order.
const maxReason = 500

// asked is what an order to a stage may hold.
type asked struct {
	Reason    string     `json:"reason"`
	Topic     string     `json:"topic"`
	Partition int        `json:"partition"`
	Offset    int64      `json:"offset"`
	Since     *time.Time `json:"since"`
}

// skip is the record that is meant.
func (a *asked) skip(prefix string) (projectors.Skip, error) {
	if !strings.HasPrefix(a.Topic, prefix+".") || len(a.Topic) > 249 {
		return projectors.Skip{}, api.Errorf(api.Invalid, "The topic must be one of this installation's, which begin with %s.", prefix).At("topic")
	}
	if a.Partition < 0 || a.Offset < 0 {
		return projectors.Skip{}, api.Errorf(api.Invalid, "Partition and offset can't be negative.").At("offset")
	}
	return projectors.Skip{Topic: a.Topic, Partition: a.Partition, Offset: a.Offset, Reason: a.Reason}, nil
}

// orders are what can be asked of a stage.
var orders = map[string]func(ctx context.Context, d *Desk, stage string, a *asked) (control.Stage, error){
	"pause": func(ctx context.Context, d *Desk, stage string, a *asked) (control.Stage, error) {
		return d.cfg.Controls.Pause(ctx, stage, a.Reason)
	},
	"resume": func(ctx context.Context, d *Desk, stage string, _ *asked) (control.Stage, error) {
		return d.cfg.Controls.Resume(ctx, stage)
	},
	"skip": func(ctx context.Context, d *Desk, stage string, a *asked) (control.Stage, error) {
		skip, err := a.skip(d.cfg.Prefix)
		if err != nil {
			return control.Stage{}, err
		}
		return d.cfg.Controls.Skip(ctx, stage, skip)
	},
	"unskip": func(ctx context.Context, d *Desk, stage string, a *asked) (control.Stage, error) {
		skip, err := a.skip(d.cfg.Prefix)
		if err != nil {
			return control.Stage{}, err
		}
		return d.cfg.Controls.Unskip(ctx, stage, skip)
	},
	"replay": func(ctx context.Context, d *Desk, stage string, a *asked) (control.Stage, error) {
		var since time.Time
		if a.Since != nil {
			since = a.Since.UTC().Truncate(time.Millisecond)
		}
		return d.cfg.Controls.Replay(ctx, stage, since)
	},
}

// steer asks something of a stage; the answer is all that is asked of it now.
func (d *Desk) steer(order string) fiber.Handler {
	return func(c *fiber.Ctx) error {
		stage := strings.Clone(c.Params("stage"))
		if !slices.Contains(projecting, stage) {
			return api.Errorf(api.NotFound, "There is no such stage; there are %s.", strings.Join(projecting, ", ")).At("stage")
		}
		var a asked
		if len(c.Body()) > 0 {
			if err := api.Body(c, &a); err != nil {
				return err
			}
		}
		if len(a.Reason) > maxReason {
			return api.Errorf(api.Invalid, "The reason may have at most %d bytes.", maxReason).At("reason")
		}
		now, err := orders[order](c.UserContext(), d, stage, &a)
		switch {
		case errors.Is(err, control.ErrTooMany):
			return api.Errorf(api.Conflict, "Too many records are skipped by this stage: take back those that are done with.").Because(err)
		case errors.As(err, new(*api.Error)):
			return err
		case err != nil:
			return api.Errorf(api.Unavailable, "MongoDB can't be reached.").RetryAfter(1).Because(err)
		}
		return api.Send(c, http.StatusOK, now)
	}
}

// reproject has a product or a category of a store made again.
func (d *Desk) reproject(c *fiber.Ctx) error {
	st, ok := d.store(c.Params("store"))
	if !ok {
		return api.Errorf(api.NotFound, "There is no such store.").At("store")
	}
	var order struct {
		Product  int64 `json:"product"`
		Category int64 `json:"category"`
	}
	if err := api.Body(c, &order); err != nil {
		return err
	}
	if order.Product < 0 || order.Category < 0 || (order.Product > 0) == (order.Category > 0) {
		return api.Errorf(api.Invalid, "Either a product or a category is needed.").At("product")
	}
	command := projectors.Command{Kind: projectors.Product, Store: st.ID, Product: order.Product}
	if order.Category > 0 {
		command.Kind, command.Category = projectors.Node, order.Category
	}
	return d.send(c, command)
}
