package bench

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/url"
)

// kindTyped is what is asked for while a shopper types.
const kindTyped = "suggestions"

// typedLeast is the shortest beginning of a word that suggestions are asked for.
const typedLeast = 2

// typed loads the read API with what shoppers type, letter after letter: every text is the beginning of a word of a real title.
func typed(ctx context.Context, t *Target, c *client, cfg LoadConfig, fronts []*front, report *Report) error {
	plan := typingPlan(fronts, newRand(4), schedule{rate: cfg.Rate, duration: cfg.Duration}.total())
	if len(plan) == 0 {
		return fmt.Errorf("no title has a word to type: %w", errEmpty)
	}
	taken, rate, err := runVisits(ctx, t, c, cfg, plan)
	if err != nil {
		return err
	}
	taken.row(report, kindTyped, kindTyped).Set("req/s", rate)
	taken.complain(report)
	return nil
}

// typingPlan draws words and types each to its end.
func typingPlan(fronts []*front, r *rand.Rand, total int) []visit {
	var able []*front
	for _, f := range fronts {
		if len(f.Words) > 0 {
			able = append(able, f)
		}
	}
	if len(able) == 0 {
		return nil
	}
	visits := make([]visit, 0, total)
	for len(visits) < total {
		f := able[r.IntN(len(able))]
		word := []rune(f.Words[r.IntN(len(f.Words))])
		for n := typedLeast; n <= len(word) && len(visits) < total; n++ {
			visits = append(visits, visit{kindTyped, suggestPath(f.ID, f.Languages[0], string(word[:n]))})
		}
	}
	return visits
}

func suggestPath(store int64, lang, text string) string {
	return fmt.Sprintf("/api/v1/stores/%d/suggest?lang=%s&q=%s", store, lang, url.QueryEscape(text))
}
