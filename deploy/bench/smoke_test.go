package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// shopServer is a read API over one store with two offers in one category.
func shopServer(t *testing.T, price func(product string) int64) *httptest.Server {
	t.Helper()
	mux := http.NewServeMux()
	serve := func(pattern string, answer func(r *http.Request) any) {
		mux.HandleFunc("GET /api/v1/stores"+pattern, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Freshet-As-Of", "FF/0")
			if err := json.NewEncoder(w).Encode(answer(r)); err != nil {
				t.Errorf("write an answer: %v", err)
			}
		})
	}
	type object = map[string]any
	cards := func() []object {
		return []object{
			{"product": 1, "title": "Zucchine biologiche", "price": price("1")},
			{"product": 2, "title": "Farina integrale", "price": price("2")},
		}
	}
	serve("", func(*http.Request) any {
		return object{"stores": []object{{"id": 1, "code": "milano", "currency": "EUR", "languages": []string{"it", "en"}}}}
	})
	serve("/1/home", func(*http.Request) any {
		return object{"categories": []object{{"id": 3, "count": 2, "cards": cards()}}}
	})
	serve("/1/categories/3", func(*http.Request) any { return object{"id": 3, "cards": cards()} })
	serve("/1/products/{product}", func(r *http.Request) any {
		return object{"title": "Zucchine", "store": object{"code": "milano"}, "price": price(r.PathValue("product"))}
	})
	serve("/1/search", func(*http.Request) any {
		return object{"total": 2, "products": cards(), "facets": []object{
			{"code": "brand", "kind": "brand", "values": []object{{"value": "7", "count": 2}}},
			{"code": "in_stock", "kind": "boolean", "values": []object{{"value": "true", "count": 2}}},
			{"code": "colour", "kind": "keyword", "values": []object{{"value": "verde", "count": 1}}},
		}}
	})
	serve("/1/suggest", func(*http.Request) any { return object{"products": cards()} })
	mux.HandleFunc("POST /1/indexes/*/queries", func(w http.ResponseWriter, r *http.Request) {
		var call struct {
			Requests []struct{ NumericFilters []string }
		}
		if err := json.NewDecoder(r.Body).Decode(&call); err != nil {
			t.Errorf("read a call: %v", err)
		}
		var answer instantAnswer
		for _, q := range call.Requests {
			var result instantResult
			for id := int64(1); id <= 2; id++ {
				if len(q.NumericFilters) == 0 || q.NumericFilters[0] == fmt.Sprintf("price=%s", strconv.FormatFloat(float64(price(strconv.FormatInt(id, 10)))/100, 'f', -1, 64)) {
					result.Hits = append(result.Hits, instantHit{id})
				}
			}
			result.Total = int64(len(result.Hits))
			answer.Results = append(answer.Results, result)
		}
		if err := json.NewEncoder(w).Encode(answer); err != nil {
			t.Errorf("write an answer: %v", err)
		}
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server
}

func target(t *testing.T, read string) Target {
	return Target{Read: read, Version: "test", Note: t.Logf}
}

func TestBrowseAndSearchCountEveryAnswer(t *testing.T) {
	server := shopServer(t, func(string) int64 { return 199 })
	cfg := LoadConfig{Rate: 200, Duration: 500 * time.Millisecond, Workers: 8}
	for name, run := range map[string]func(context.Context, Target, LoadConfig) (*Report, error){"browse": Browse, "search": Search} {
		report, err := run(t.Context(), target(t, server.URL), cfg)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		at := slices.IndexFunc(report.Rows, func(r Row) bool { return r.What == "all" })
		if at < 0 {
			t.Fatalf("%s: no row of all: %+v", name, report.Rows)
		}
		all := report.Rows[at]
		if all.What != "all" || all.Figures["n"] != 100 || all.Figures["errors"] != 0 || len(report.Problems) != 0 {
			t.Errorf("%s: %+v, problems %q", name, all, report.Problems)
		}
		if got, want := len(report.Rows), map[string]int{"browse": 4, "search": 4 + 1 + 1 + 3}[name]; got != want {
			t.Errorf("%s: %d rows, want %d", name, got, want)
		}
	}
}

func TestInstantSearchAsksOnceMoreForEachRefinedFacet(t *testing.T) {
	got, err := json.Marshal(instantQueries("milano_it", "zucchine", []string{"brand", "colour"}, []string{"brand", "colour"}, map[string]string{"brand": "Lupo", "colour": "verde"}))
	if err != nil {
		t.Fatal(err)
	}
	want := `[{"facetFilters":[["brand:Lupo"],["colour:verde"]],"facets":["brand","colour"],"hitsPerPage":24,"indexName":"milano_it","query":"zucchine"},` +
		`{"facetFilters":[["colour:verde"]],"facets":["brand"],"hitsPerPage":0,"indexName":"milano_it","query":"zucchine"},` +
		`{"facetFilters":[["brand:Lupo"]],"facets":["colour"],"hitsPerPage":0,"indexName":"milano_it","query":"zucchine"}]`
	if string(got) != want {
		t.Errorf("%s\nwant %s", got, want)
	}
}

// TestAnErrorUnderLoadIsAProblem: the figures are still reported.
func TestAnErrorUnderLoadIsAProblem(t *testing.T) {
	good := shopServer(t, func(string) int64 { return 199 })
	var asked atomic.Int64
	flaky := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// Looking around and the warming-up are 5 and 100 questions.
		if n := asked.Add(1); n > 110 && n%10 == 0 {
			http.Error(w, "broken", http.StatusInternalServerError)
			return
		}
		good.Config.Handler.ServeHTTP(w, r)
	}))
	t.Cleanup(flaky.Close)
	report, err := Browse(t.Context(), target(t, flaky.URL), LoadConfig{Rate: 1000, Duration: 200 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	all := report.Rows[len(report.Rows)-1]
	if all.Figures["n"] != 200 || all.Figures["errors"] == 0 || len(report.Problems) != 1 || !strings.Contains(report.Problems[0], "answered 500") {
		t.Errorf("%+v, problems %q", all, report.Problems)
	}
}

func TestAnEmptyShopIsAClearError(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if _, err := fmt.Fprint(w, `{"stores":[]}`); err != nil {
			t.Errorf("write an answer: %v", err)
		}
	}))
	t.Cleanup(server.Close)
	if _, err := Browse(t.Context(), target(t, server.URL), LoadConfig{Rate: 1, Duration: time.Second}); !errors.Is(err, errEmpty) {
		t.Errorf("error %v", err)
	}
	if _, err := newClient("127.0.0.1:8080", "", 1); err == nil {
		t.Error("an address without a scheme is taken for a URL")
	}
}
