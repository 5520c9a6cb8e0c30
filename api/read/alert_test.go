package read_test

import (
	"fmt"
	"testing"

	"freshet/api/auth"
	"freshet/api/read"
	"freshet/projectors/alert"
)

func TestAlertsOfASeller(t *testing.T) {
	s := newShop(t)
	for i := range 5 {
		s.alerted = append(s.alerted, alert.Alert{
			ID: fmt.Sprintf("1:A-41:0/%d:1", 9-i), Kind: alert.Kinds()[i%3], Seller: 4, Store: int64(1 + i%2), Product: 7, SKU: "A-41", At: int64(1000 - i),
		})
	}
	list := func(query string) (ids, next string) {
		var page read.AlertList
		s.as(auth.Seller, 4, "/api/v1/alerts"+query).want(t, 200).decode(t, &page)
		for _, a := range page.Alerts {
			ids += fmt.Sprint(string(a.ID[9]), a.Store, " ")
		}
		return ids, page.Next
	}
	for query, want := range map[string]string{
		"":                               "9milano 8paris 7milano 6paris 5milano ",
		"?store=milano":                  "9milano 7milano 5milano ",
		"?store=2&kind=low_stock":        "6paris ",
		"?kind=out_of_stock&store=paris": "8paris ",
	} {
		if got, next := list(query); got != want || next != "" {
			t.Errorf("%s: %q, next %q, want %q", query, got, next, want)
		}
	}
	ids, next := list("?limit=3")
	rest, end := list("?limit=3&after=" + next)
	if ids != "9milano 8paris 7milano " || rest != "6paris 5milano " || end != "" {
		t.Errorf("pages %q and %q, next %q and %q", ids, rest, next, end)
	}
	for _, query := range []string{"?store=roma", "?kind=sold", "?limit=0", "?after=1", "?after=x-1", "?seller=4"} {
		s.as(auth.Seller, 4, "/api/v1/alerts"+query).want(t, 400)
	}
	s.as(auth.Support, 9, "/api/v1/alerts").want(t, 400)
	if r := s.as(auth.Seller, 5, "/api/v1/alerts").want(t, 200); string(r.body) != "{\"alerts\":[]}\n" {
		t.Errorf("another seller sees %s", r.body)
	}
}
