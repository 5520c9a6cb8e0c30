package search

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"reflect"
)

// A generation is one index. The live one is behind Alias; while another is built, and as long as it is kept for going
// back, it is behind Beside, and writers write to both. Elasticsearch resolves the names anew for each request, so a switch
// is one request and no writer has to know of it.

// besideSuffix follows an alias.
const besideSuffix = "-beside"

// Beside returns the name that writers use for the generation beside the live one.
func Beside(alias string) string { return alias + besideSuffix }

// indexOf returns the name of a generation.
func indexOf(prefix string, generation int) string {
	return fmt.Sprintf("%s-g%d", Alias(prefix), generation)
}

// Build creates a generation beside the live one. One that an earlier call has made stays as it is.
func (x *Indices) Build(ctx context.Context, generation int) error {
	if err := checkPrefix(x.Prefix); err != nil {
		return err
	}
	def, name := definition(max(x.Shards, 1)), indexOf(x.Prefix, generation)
	def["aliases"] = object{Beside(Alias(x.Prefix)): object{"is_write_index": true}}
	err := x.Client.json(ctx, http.MethodPut, "/"+url.PathEscape(name), def, nil)
	var status *statusError
	if exists := errors.As(err, &status) && status.Type == "resource_already_exists_exception"; err != nil && !exists {
		return fmt.Errorf("build index %s: %w", name, err)
	}
	return nil
}

// Switch makes one generation the live one and puts the other beside it, in one step. To repeat it is harmless.
func (x *Indices) Switch(ctx context.Context, live, beside int) error {
	alias, next, last := Alias(x.Prefix), indexOf(x.Prefix, live), indexOf(x.Prefix, beside)
	actions := []object{
		{"remove": object{"index": last, "alias": alias, "must_exist": false}},
		{"add": object{"index": next, "alias": alias, "is_write_index": true}},
		{"remove": object{"index": next, "alias": Beside(alias), "must_exist": false}},
		{"add": object{"index": last, "alias": Beside(alias), "is_write_index": true}},
	}
	if err := x.Client.json(ctx, http.MethodPost, "/_aliases", object{"actions": actions}, nil); err != nil {
		return fmt.Errorf("switch to generation %d: %w", live, err)
	}
	return nil
}

// Discard deletes a generation; one that is not there is no error. It must not be the live one.
func (x *Indices) Discard(ctx context.Context, generation int) error {
	if err := checkPrefix(x.Prefix); err != nil {
		return err
	}
	path := "/" + url.PathEscape(indexOf(x.Prefix, generation)) + "?ignore_unavailable=true"
	if err := x.Client.json(ctx, http.MethodDelete, path, nil, nil); err != nil {
		return fmt.Errorf("discard generation %d: %w", generation, err)
	}
	return nil
}

// Comparison is what the generations hold.
type Comparison struct {
	Live   int64 `json:"live"`   // documents that shoppers may see
	Beside int64 `json:"beside"` // the same beside it
	// Redefined says that the generations were made by different definitions, so that their documents can't be compared with each
	// other, nor their numbers.
	Redefined bool `json:"redefined"`
	Sampled   int  `json:"sampled"`
	// Older are sampled documents that the generation beside lacks, or has in an older version; Different have the same version
	// and another content.
	Older     int    `json:"older"`
	Different int    `json:"different"`
	First     string `json:"first,omitempty"` // _id of the first of either
}

// Equal says whether nothing is missing beside.
func (c Comparison) Equal() bool {
	return (c.Redefined || c.Live == c.Beside) && c.Older == 0 && c.Different == 0
}

// Compare counts both generations and, if one definition made them, compares a sample of the live one, tombstones among it,
// document by document. If not, CompareWith has to.
func (x *Indices) Compare(ctx context.Context, sample int) (Comparison, error) {
	c, err := x.compare(ctx, Alias(x.Prefix), sample)
	if err != nil {
		return Comparison{}, fmt.Errorf("compare the generations of %s: %w", Alias(x.Prefix), err)
	}
	return c, nil
}

func (x *Indices) compare(ctx context.Context, alias string, sample int) (c Comparison, err error) {
	definitions := map[string]bool{}
	for name, into := range map[string]*int64{alias: &c.Live, Beside(alias): &c.Beside} {
		made, err := x.definitions(ctx, name)
		if err != nil {
			return c, err
		}
		for _, digest := range made {
			definitions[digest] = true
		}
		if err := x.Client.json(ctx, http.MethodPost, "/"+url.PathEscape(name)+"/_refresh", nil, nil); err != nil {
			return c, err
		}
		var answer struct {
			Count int64 `json:"count"`
		}
		visible := object{"query": term("deleted", false)}
		if err := x.Client.json(ctx, http.MethodPost, "/"+url.PathEscape(name)+"/_count", visible, &answer); err != nil {
			return c, err
		}
		*into = answer.Count
	}
	if c.Redefined = len(definitions) > 1; c.Redefined {
		return c, nil
	}
	live, err := x.sample(ctx, alias, sample)
	if err != nil {
		return c, err
	}
	err = x.compareWith(ctx, &c, live)
	return c, err
}

// CompareWith compares documents as they should be with those of the generation beside.
func (x *Indices) CompareWith(ctx context.Context, c *Comparison, want []Op) error {
	docs := make([]sampled, len(want))
	for i, op := range want {
		docs[i] = sampled{ID: op.ID, Routing: op.Routing, Version: op.Version, Source: op.Body}
	}
	if err := x.compareWith(ctx, c, docs); err != nil {
		return fmt.Errorf("compare documents with %s: %w", Beside(Alias(x.Prefix)), err)
	}
	return nil
}

func (x *Indices) compareWith(ctx context.Context, c *Comparison, want []sampled) error {
	if len(want) == 0 {
		return nil
	}
	beside, err := x.same(ctx, Beside(Alias(x.Prefix)), want)
	if err != nil {
		return err
	}
	c.Sampled = len(want)
	for i, w := range want {
		c.add(w, beside[i])
	}
	return nil
}

// add compares a document with the one beside it.
func (c *Comparison) add(want, beside sampled) {
	switch {
	case beside.Version < want.Version:
		c.Older++
	case beside.Version == want.Version && !sameJSON(want.Source, beside.Source):
		c.Different++
	default:
		return
	}
	if c.First == "" {
		c.First = want.ID
	}
}

// sampled is a document with its version, 0 for one that is not there.
type sampled struct {
	ID      string          `json:"_id"`
	Routing string          `json:"_routing"`
	Version int64           `json:"_version"`
	Source  json.RawMessage `json:"_source"`
}

// sample reads some documents at random.
func (x *Indices) sample(ctx context.Context, alias string, size int) ([]sampled, error) {
	query := object{"size": size, "version": true, "query": object{"function_score": object{"random_score": object{}}}}
	var answer struct {
		Hits struct {
			Hits []sampled `json:"hits"`
		} `json:"hits"`
	}
	err := x.Client.json(ctx, http.MethodPost, "/"+url.PathEscape(alias)+"/_search", query, &answer)
	return answer.Hits.Hits, err
}

// same reads the documents of the same ids from another index, in the same order.
func (x *Indices) same(ctx context.Context, alias string, of []sampled) ([]sampled, error) {
	var docs []object
	for _, d := range of {
		docs = append(docs, object{"_id": d.ID, "routing": d.Routing})
	}
	var answer struct {
		Docs []sampled `json:"docs"`
	}
	if err := x.Client.json(ctx, http.MethodPost, "/"+url.PathEscape(alias)+"/_mget", object{"docs": docs}, &answer); err != nil {
		return nil, err
	}
	if len(answer.Docs) != len(of) {
		return nil, fmt.Errorf("asked for %d documents, got %d", len(of), len(answer.Docs))
	}
	return answer.Docs, nil
}

func sameJSON(a, b json.RawMessage) bool {
	var x, y any
	return json.Unmarshal(a, &x) == nil && json.Unmarshal(b, &y) == nil && reflect.DeepEqual(x, y)
}
