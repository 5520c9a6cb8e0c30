package read_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"freshet/api/auth"
	"freshet/api/read"
	"freshet/api/read/tally"
	"freshet/search"
)

// demand is what is told, and what is popular.
type demand struct {
	told    []string
	clients map[tally.Client]bool
	popular []string
	fault   error
	reads   int
}

func (d *demand) Searched(client tally.Client, store int64, lang, text string, total int64, fuzzy bool) {
	d.clients[client] = true
	d.told = append(d.told, fmt.Sprint(store, lang, " ", text, " ", total, " ", fuzzy))
}

func (d *demand) Clicked(client tally.Client, store int64, lang, text string, product int64) {
	d.clients[client] = true
	d.told = append(d.told, fmt.Sprint(store, lang, " ", text, " #", product))
}

func (d *demand) Popular(_ context.Context, store int64, lang string, _ time.Time) ([]string, error) {
	d.reads++
	return d.popular, d.fault
}

func demanded(t *testing.T) (*shop, *demand) {
	t.Helper()
	w, d := newWorld(), &demand{clients: map[tally.Client]bool{}}
	issuer, verifier := accounts(t)
	return &shop{t: t, world: w, issuer: issuer, server: serve(t, read.Config{
		Pages: w, Products: w, Searcher: w, Dimensions: w, Progress: w, Tally: d, Demand: d, Verifier: verifier, Wait: 50 * time.Millisecond,
	})}, d
}

// TestStaffIsNoShopper: what support and data teams search for is not counted, with or without explanations.
func TestStaffIsNoShopper(t *testing.T) {
	s, d := demanded(t)
	for _, role := range []auth.Role{auth.Support, auth.Data} {
		s.as(role, 1, "/api/v1/stores/milano/search?q=stivali&explain=true").want(t, 200)
		s.as(role, 1, "/api/v1/stores/milano/search?q=stivali").want(t, 200)
	}
	if len(d.told) > 0 {
		t.Errorf("told %v", d.told)
	}
	s.as(auth.Customer, 5, "/api/v1/stores/milano/search?q=stivali").want(t, 200)
	if len(d.told) != 1 {
		t.Errorf("told %v of a customer", d.told)
	}
}

// TestSearchesAreTold: the first page of a text that nothing narrows is told, whichever way it was asked for, and no other.
func TestSearchesAreTold(t *testing.T) {
	s, d := demanded(t)
	s.result = search.Result{Total: 3, Fuzzy: true}
	agent := []string{"User-Agent", "Lynx"}
	for _, path := range []string{
		"search?q=stivali", "search?q=stivali&lang=en", "search", "search?q=stivali&offset=24", "search?q=stivali&limit=0", "search?q=stivali&in_stock=true",
		"search?q=stivali&category=scarpe", "search?q=stivali&attr.colour=nero", "search?q=stivali&cursor=*", "suggest?q=stiv",
	} {
		s.get("/api/v1/stores/milano/"+path, agent...).want(t, 200)
	}
	request(t, s.server, "POST", "/1/indexes/*/queries", `{"requests":[
		{"indexName":"milano_de","query":"Stiefel"},{"indexName":"milano_de","query":"Stiefel","hitsPerPage":0,"facets":["brand"]},
		{"indexName":"milano_de","query":"Stiefel","page":1},{"indexName":"milano_de","query":"Stiefel","facetFilters":["brand:Lupo"]}]}`, append(agent, "Content-Type", "text/plain")...).want(t, 200)
	if got := strings.Join(d.told, "; "); got != "1it stivali 3 true; 1en stivali 3 true; 1de Stiefel 3 true" || len(d.clients) != 1 {
		t.Errorf("told %s by %v", got, d.clients)
	}
	for client := range d.clients {
		if client.Agent != "Lynx" || client.Address == "" {
			t.Errorf("client %+v", client)
		}
	}
}

func TestClicksAreTold(t *testing.T) {
	s, d := demanded(t)
	for body, status := range map[string]int{
		`{"q":"stivali","lang":"en","product":7}`: 200, `{"q":"stivali","lang":"fr","product":7}`: 400, `{"q":" ","product":7}`: 400, `{"q":"a"}`: 400, `{`: 400,
		`{"q":"` + strings.Repeat("è", 201) + `","product":7}`: 400, `{"q":"a","product":7,"customer":1}`: 400,
	} {
		r := request(t, s.server, "POST", "/api/v1/stores/milano/clicks", body, "Content-Type", "text/plain").want(t, status)
		if r.header.Get("Access-Control-Allow-Origin") != "*" {
			t.Errorf("%s: a page of another origin can't read the answer", body)
		}
	}
	request(t, s.server, "POST", "/api/v1/stores/paris/clicks", `{"q":"a","product":7}`, "Content-Type", "text/plain").want(t, 404) // not active
	if got := strings.Join(d.told, "; "); got != "1en stivali #7" {
		t.Errorf("told %s", got)
	}
}

// TestPopularTextsAreSuggested: those that begin as typed, from a list that is read once in a while.
func TestPopularTextsAreSuggested(t *testing.T) {
	s, d := demanded(t)
	d.popular = []string{"stivali neri", "scarpe", "stivali", "stivaletti"}
	for path, want := range map[string]string{
		"suggest?q=STI": "[stivali neri stivali stivaletti]", "suggest?q=stivali": "[stivali neri stivali]", "suggest?q=sti&limit=1": "[stivali neri]", "suggest?q=neri": "[]",
	} {
		var page read.Suggestions
		s.get("/api/v1/stores/milano/"+path).want(t, 200).decode(t, &page)
		if got := fmt.Sprint(page.Queries); got != want {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
	if d.reads != 1 {
		t.Errorf("read %d times", d.reads)
	}
	d.fault = errors.New("no primary")
	s.get("/api/v1/stores/milano/suggest?q=sti&lang=en").want(t, 200)
}
