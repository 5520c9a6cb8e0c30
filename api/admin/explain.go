package admin

import (
	"context"
	"errors"
	"net/http"

	"github.com/gofiber/fiber/v2"

	"freshet/api"
	"freshet/projectors/explain"
)

// Explainer follows a product through the stages; explain.Explainer does.
type Explainer interface {
	Explain(ctx context.Context, store, product string) (explain.Explanation, error)
}

// maxName bounds what a store or product may be called in a request; codes and SKUs are at most 64 long.
const maxName = 100

func (d *Desk) explain(c *fiber.Ctx) error {
	query, err := parameters(string(c.Context().URI().QueryString()), "store", "product")
	if err != nil {
		return err
	}
	for _, name := range []string{"store", "product"} {
		if value := query[name]; value == "" || len(value) > maxName {
			return api.Errorf(api.Invalid, "The parameter %s is needed, and has at most %d characters.", name, maxName).At(name)
		}
	}
	found, err := d.cfg.Explainer.Explain(c.UserContext(), query["store"], query["product"])
	if errors.Is(err, explain.ErrUnknown) {
		return api.Errorf(api.NotFound, "There is no such store or product.").Because(err)
	}
	if err != nil {
		return api.Errorf(api.Unavailable, "Postgres can't be reached.").RetryAfter(1).Because(err)
	}
	return api.Send(c, http.StatusOK, found)
}
