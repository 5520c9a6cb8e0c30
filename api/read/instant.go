package read

import (
	"context"

	"github.com/gofiber/fiber/v2"

	"freshet/api"
	"freshet/api/read/instant"
	"freshet/search"
)

// registerInstant adds the routes that storefront widgets of other makers speak to.
func (s *Shop) registerInstant(app *fiber.App) {
	v1 := app.Group("/1", crossOrigin)
	v1.Post("/indexes/:index/queries", s.handle(searchStages, s.instantAll))
	v1.Post("/indexes/:index/query", s.handle(searchStages, s.instantOne))
	v1.Post("/indexes/:index/facets/:facet/query", s.handle(searchStages, s.instantFacet))
}

// crossOrigin lets pages of any origin read the answers: they are public and take no credentials. The clients send what
// needs no leave beforehand, with the type text/plain.
func crossOrigin(c *fiber.Ctx) error {
	c.Set(fiber.HeaderAccessControlAllowOrigin, "*")
	return c.Next()
}

// instantResults is the answer to several requests, in their order.
type instantResults struct {
	Results []any `json:"results"`
}

func (s *Shop) instantAll(ctx context.Context, r *request) (response, error) {
	if r.index != "*" {
		return response{}, api.Errorf(api.NotFound, "Several queries go to /1/indexes/*/queries.")
	}
	requests, err := instant.Decode(r.body)
	if err != nil {
		return response{}, err
	}
	results, err := s.instantAnswers(ctx, r, requests)
	return response{document: instantResults{results}}, err
}

func (s *Shop) instantOne(ctx context.Context, r *request) (response, error) {
	one, err := instant.DecodeOne(r.index, "", r.body)
	if err != nil {
		return response{}, err
	}
	results, err := s.instantAnswers(ctx, r, []instant.Request{one})
	if err != nil {
		return response{}, err
	}
	return response{document: results[0]}, nil
}

func (s *Shop) instantFacet(ctx context.Context, r *request) (response, error) {
	one, err := instant.DecodeOne(r.index, r.facet, r.body)
	if err != nil {
		return response{}, err
	}
	results, err := s.instantAnswers(ctx, r, []instant.Request{one})
	if err != nil {
		return response{}, err
	}
	return response{document: results[0]}, nil
}

// instantAnswers answers the requests: the searches among them in one round trip, those among values of facets each in
// one of its own.
func (s *Shop) instantAnswers(ctx context.Context, r *request, requests []instant.Request) ([]any, error) {
	answers := make([]any, len(requests))
	var queries []search.Query
	var places []int
	prepared := make([]instant.Query, len(requests))
	for i := range requests {
		q, err := requests[i].Prepare(r.dims)
		if err != nil {
			return nil, err
		}
		prepared[i] = q
		if q.Facet == "" {
			queries, places = append(queries, q.Query), append(places, i)
			continue
		}
		code, kind := q.FacetKind()
		values, err := s.cfg.Searcher.FacetValues(ctx, q.Query, code, q.FacetText, q.Limit, r.dims)
		if err != nil {
			return nil, err
		}
		answers[i] = q.FacetAnswer(values, kind)
	}
	if len(queries) == 0 {
		return answers, nil
	}
	results, err := s.cfg.Searcher.SearchAll(ctx, queries, r.dims)
	if err != nil {
		return nil, err
	}
	for n, place := range places {
		s.searched(r, &queries[n], &results[n])
		answers[place] = prepared[place].Answer(&results[n])
	}
	return answers, nil
}
