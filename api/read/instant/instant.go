// Package instant speaks the wire format of InstantSearch: it turns the requests that the npm client algoliasearch makes for
// the widgets of a page into queries of search, and the results into the answers those widgets read.
//
// api/read has the routes. Nothing here asks a server. An index is a store, a language and an order: "milano_it",
// "milano_it_price_asc". Attributes are brand, price (in whole units of the currency), in_stock, categories.lvl0 and below
// ("Home > Kitchen"), and the registry's by their codes. What changes no answer, like analytics, is read over; a filter
// that isn't understood is an error, since a filter that does nothing looks like one that matches everything.
package instant

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"freshet/api"
	"freshet/projectors/dimension"
	"freshet/search"
)

// MaxRequests is how many requests one call may carry.
const MaxRequests = search.MaxBatch

// Request is one of the requests of a call: a search, or a search among the values of a facet.
type Request struct {
	Index      string
	Facet      string // "" for a search
	params     map[string]json.RawMessage
	rawQueries string
}

// Decode reads the body of POST /1/indexes/*/queries.
func Decode(body []byte) ([]Request, error) {
	var call struct {
		Requests []map[string]json.RawMessage `json:"requests"`
	}
	if err := json.Unmarshal(body, &call); err != nil {
		return nil, api.Errorf(api.Invalid, "The body must be a JSON object with requests.").Because(err)
	}
	if len(call.Requests) == 0 || len(call.Requests) > MaxRequests {
		return nil, api.Errorf(api.Invalid, "A call has 1 to %d requests.", MaxRequests).At("requests")
	}
	requests := make([]Request, len(call.Requests))
	for i, fields := range call.Requests {
		r := Request{params: fields}
		if err := r.spread(); err != nil {
			return nil, err
		}
		var kind string
		for name, into := range map[string]*string{"indexName": &r.Index, "type": &kind, "facet": &r.Facet} {
			if err := r.text(name, into); err != nil {
				return nil, err
			}
		}
		if kind != "facet" {
			r.Facet = ""
		}
		requests[i] = r
	}
	return requests, nil
}

// DecodeOne reads the body of a route whose path names the index, and maybe a facet.
func DecodeOne(index, facet string, body []byte) (Request, error) {
	r := Request{Index: index, Facet: facet, params: map[string]json.RawMessage{}}
	if len(body) > 0 {
		if err := json.Unmarshal(body, &r.params); err != nil {
			return r, api.Errorf(api.Invalid, "The body must be a JSON object.").Because(err)
		}
	}
	return r, r.spread()
}

// spread puts the members of params, an object or a query string, beside the others.
func (r *Request) spread() error {
	raw, given := r.params["params"]
	if !given || string(raw) == "null" {
		return nil
	}
	var nested map[string]json.RawMessage
	if json.Unmarshal(raw, &nested) == nil {
		for name, value := range nested {
			r.params[name] = value
		}
		return nil
	}
	if err := json.Unmarshal(raw, &r.rawQueries); err != nil {
		return api.Errorf(api.Invalid, "params must be an object or a query string.").At("params")
	}
	values, err := url.ParseQuery(r.rawQueries)
	if err != nil {
		return api.Errorf(api.Invalid, "params isn't a well-formed query string.").At("params")
	}
	for name, list := range values {
		// A value is JSON where the parameter is a list, and text where it is not.
		if value := list[0]; strings.HasPrefix(value, "[") && json.Valid([]byte(value)) {
			r.params[name] = json.RawMessage(value)
		} else if r.params[name], err = json.Marshal(value); err != nil {
			return api.Errorf(api.Invalid, "params isn't UTF-8.").At("params")
		}
	}
	return nil
}

// index is what an index name stands for.
type index struct {
	store dimension.Store
	lang  string
	sort  search.Sort
}

// indexOf resolves an index name.
func indexOf(name string, dims *dimension.Set) (index, error) {
	code, rest, _ := strings.Cut(name, "_")
	lang, order, _ := strings.Cut(rest, "_")
	store, ok := dims.StoreNamed(code)
	if !ok || !store.Active || len(store.Languages) == 0 {
		return index{}, api.Errorf(api.NotFound, "There is no index %q: an index is a store, a language and maybe an order%s.", cut(name), example(dims))
	}
	x := index{store: store, lang: lang, sort: search.Sort(order)}
	if lang == "" {
		x.lang = store.Languages[0]
	}
	if !slices.Contains(store.Languages, x.lang) || order != "" && !slices.Contains(search.Sorts(), x.sort) {
		return index{}, api.Errorf(api.NotFound, "There is no index %q: the language must be %s, the order %s.", cut(name), api.List(store.Languages), api.List(search.Sorts()))
	}
	return x, nil
}

// example names an index that there is, if there is one.
func example(dims *dimension.Set) string {
	for _, st := range dims.Stores() {
		if st.Active && len(st.Languages) > 0 {
			return fmt.Sprintf(", like %s_%s_%s", st.Code, st.Languages[0], search.SortPriceAsc)
		}
	}
	return ""
}

// cut shortens a text of the client's for an error.
func cut(text string) string {
	if len(text) > 64 {
		return strings.ToValidUTF8(text[:64], "")
	}
	return text
}
