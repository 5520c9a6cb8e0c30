package admin

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/gofiber/fiber/v2"

	"freshet/api"
	"freshet/projectors/demand"
)

// Demand knows what is searched for; demand.Store does.
type Demand interface {
	Lately(ctx context.Context, store int64, lang string, nothing bool, limit int) ([]demand.Query, error)
}

// SearchList is the answer to who asks what a store's shoppers search for.
type SearchList struct {
	Store    int64      `json:"store"`
	Lang     string     `json:"lang"`
	Searches []Searched `json:"searches"`
}

// Searched is a text that is searched for.
type Searched struct {
	Text      string    `json:"text"`
	Searches  int64     `json:"searches"`
	Nothing   int64     `json:"nothing"` // of them, those that found nothing
	Clicks    int64     `json:"clicks"`
	ClickRate float64   `json:"click_rate"` // clicks for each search
	Weight    float64   `json:"weight"`     // what the searches are worth by now
	Hits      int64     `json:"hits"`       // of the last search
	Last      time.Time `json:"last"`
}

func (d *Desk) searches(c *fiber.Ctx) error {
	st, ok := d.store(c.Params("store"))
	if !ok || len(st.Languages) == 0 {
		return api.Errorf(api.NotFound, "There is no such store.").At("store")
	}
	asked, err := parameters(string(c.Context().URI().QueryString()), "lang", "nothing", "limit")
	if err != nil {
		return err
	}
	answer := SearchList{Store: st.ID, Lang: st.Languages[0], Searches: []Searched{}}
	if lang, given := asked["lang"]; given {
		if answer.Lang = lang; !slices.Contains(st.Languages, lang) {
			return api.Errorf(api.Invalid, "The language must be %s.", api.List(st.Languages)).At("lang")
		}
	}
	nothing := asked["nothing"] == "true"
	if !nothing && asked["nothing"] != "" && asked["nothing"] != "false" {
		return api.Errorf(api.Invalid, "The parameter nothing must be true or false.").At("nothing")
	}
	most, err := atMost(asked["limit"])
	if err != nil {
		return err
	}
	found, err := d.cfg.Demand.Lately(c.UserContext(), st.ID, answer.Lang, nothing, most)
	if err != nil {
		return api.Errorf(api.Unavailable, "MongoDB can't be reached.").RetryAfter(1).Because(err)
	}
	now := time.Now()
	for i := range found {
		answer.Searches = append(answer.Searches, searched(&found[i], now))
	}
	return api.Send(c, http.StatusOK, answer)
}

func searched(q *demand.Query, now time.Time) Searched {
	return Searched{
		Text: q.Text(), Searches: q.Searches, Nothing: q.Nothing, Clicks: q.Clicks, ClickRate: float64(q.Clicks) / float64(q.Searches),
		Weight: q.Weight(now), Hits: q.Total, Last: q.Last.UTC(),
	}
}
