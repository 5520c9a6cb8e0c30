package admin_test

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"time"

	"freshet/api/admin"
	"freshet/ingest/change"
	"freshet/projectors/explain"
)

// shelf explains product 42 of store 7 and knows of nothing else.
type shelf struct{}

func (shelf) Explain(_ context.Context, store, product string) (explain.Explanation, error) {
	if product == "offline" {
		return explain.Explanation{}, errors.New("no route to host")
	}
	if store != "milano" || product != "42" {
		return explain.Explanation{}, explain.ErrUnknown
	}
	now := time.Now()
	return explain.Explanation{
		Store: 7, Code: "milano", Product: 42, Position: 1000, Verdict: "not to be seen",
		Stages: []explain.Stage{{Stage: "ingest"}},
		Hops: []explain.Hop{{
			Hop: "offer", Where: "offers/7:42", Found: true, Position: &change.Position{Commit: 900, Index: 2}, Version: 3, Time: &now,
			Findings: []explain.Finding{{Kind: explain.Filter, Code: "offer-not-active", Detail: "the offer is paused", Mend: "resume it"}},
		}},
	}, nil
}

func TestExplain(t *testing.T) {
	d := newDesk(t, nil)
	var found explain.Explanation
	d.want(http.StatusOK, &found, "GET", "/admin/v1/explain?store=milano&product=42")
	if found.Product != 42 || len(found.Hops) != 1 || found.Hops[0].Findings[0].Mend == "" {
		t.Errorf("explanation %+v", found)
	}
	d.want(http.StatusNotFound, nil, "GET", "/admin/v1/explain?store=milano&product=43")
	d.want(http.StatusServiceUnavailable, nil, "GET", "/admin/v1/explain?store=milano&product=offline")
	for _, query := range []string{"", "?store=milano", "?store=milano&store=roma&product=42", "?store=milano&product=42&deep=1", "?store=%zz&product=1", "?store=milano&product=%00", "?store=%ff&product=42"} {
		d.want(http.StatusBadRequest, nil, "GET", "/admin/v1/explain"+query)
	}
}

var _ admin.Explainer = shelf{}
