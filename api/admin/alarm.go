package admin

import (
	"context"
	"net/http"
	"time"

	"github.com/gofiber/fiber/v2"

	"freshet/api"
	"freshet/projectors/alert"
)

// Alarms lists the alarms that stand; alert.Alarms does.
type Alarms interface {
	Standing(ctx context.Context, most int) ([]alert.Alarm, error)
}

// AlarmList is the answer to who asks what is wrong.
type AlarmList struct {
	Alarms []Alarm `json:"alarms"`
}

// Alarm is something that is not what it should be, and has been so since.
type Alarm struct {
	ID     string    `json:"id"`
	Kind   string    `json:"kind"`
	Store  int64     `json:"store"`
	Key    string    `json:"key"`
	Detail string    `json:"detail"`
	Raised time.Time `json:"raised"`
}

func (d *Desk) alarms(c *fiber.Ctx) error {
	limit, err := limit(string(c.Context().URI().QueryString()))
	if err != nil {
		return err
	}
	standing, err := d.cfg.Alarms.Standing(c.UserContext(), limit)
	if err != nil {
		return api.Errorf(api.Unavailable, "MongoDB can't be reached.").RetryAfter(1).Because(err)
	}
	answer := AlarmList{Alarms: make([]Alarm, len(standing))}
	for i, a := range standing {
		answer.Alarms[i] = Alarm{ID: a.ID, Kind: a.Kind, Store: a.Store, Key: a.Key, Detail: a.Detail, Raised: time.UnixMicro(a.Raised).UTC()}
	}
	return api.Send(c, http.StatusOK, answer)
}
