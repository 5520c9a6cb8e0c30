package admin

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"net/http"
	"strings"

	"github.com/gofiber/fiber/v2"

	"freshet/api"
	"freshet/ingest"
)

// Ingest takes signals and says how its snapshots are; the command's adapter of ingest.Send and ingest.Snapshots does.
type Ingest interface {
	Send(ctx context.Context, signal ingest.Signal) error
	Snapshots(ctx context.Context) ([]ingest.Snapshot, error)
}

// Snapshots is the answer to who asks how the snapshots are.
type Snapshots struct {
	Snapshots []ingest.Snapshot `json:"snapshots"`
}

// Ordered is the answer to a signal that is on its way.
type Ordered struct {
	ID string `json:"id"`
}

func (d *Desk) snapshots(c *fiber.Ctx) error {
	all, err := d.cfg.Ingest.Snapshots(c.UserContext())
	if err != nil {
		return unavailable(err)
	}
	if all == nil {
		all = []ingest.Snapshot{}
	}
	return api.Send(c, http.StatusOK, Snapshots{Snapshots: all})
}

func (d *Desk) orderSnapshot(c *fiber.Ctx) error {
	signal := ingest.Signal{Kind: "snapshot"}
	if err := api.Body(c, &signal.Order); err != nil {
		return err
	}
	if err := signal.Validate(); err != nil {
		return api.Errorf(api.Invalid, "The order can't be carried out: %s.", err)
	}
	if signal.ID == "" {
		var id [8]byte
		// crypto/rand.Read never fails: it ends the process instead.
		_, _ = rand.Read(id[:])
		signal.ID = hex.EncodeToString(id[:])
	}
	return d.signal(c, signal)
}

// steerSnapshot pauses, resumes or stops a snapshot that is known; one that was ordered a moment ago may not be yet.
func (d *Desk) steerSnapshot(kind string) fiber.Handler {
	return func(c *fiber.Ctx) error {
		id := strings.Clone(c.Params("id"))
		all, err := d.cfg.Ingest.Snapshots(c.UserContext())
		if err != nil {
			return unavailable(err)
		}
		for i := range all {
			if all[i].ID == id && !all[i].Finished() {
				return d.signal(c, ingest.Signal{Kind: kind, Order: ingest.Order{ID: id}})
			}
		}
		return api.Errorf(api.NotFound, "No such snapshot is under way.").At("id")
	}
}

func (d *Desk) signal(c *fiber.Ctx, signal ingest.Signal) error {
	if err := d.cfg.Ingest.Send(c.UserContext(), signal); err != nil {
		return api.Errorf(api.Unavailable, "Postgres can't be reached.").RetryAfter(1).Because(err)
	}
	return api.Send(c, http.StatusAccepted, Ordered{ID: signal.ID})
}
