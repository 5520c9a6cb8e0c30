package audit

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/elastic/go-elasticsearch/v8"
	"github.com/elastic/go-elasticsearch/v8/esapi"

	"freshet/search"
)

// Index reads all documents of the search index.
type Index struct {
	address, prefix string
}

// NewIndex reads the index of a prefix on the server at address; nothing is opened yet.
func NewIndex(address, prefix string) *Index { return &Index{address: address, prefix: prefix} }

// Documents reads the live documents of a scope, as each language has them: their keys are "<lang>/<store>:<product>".
func (x *Index) Documents(ctx context.Context, scope Scope) (Documents, error) {
	client, err := elasticsearch.NewClient(elasticsearch.Config{Addresses: []string{x.address}})
	if err != nil {
		return nil, fmt.Errorf("open the search client: %w", err)
	}
	docs := Documents{}
	if err := x.read(ctx, client, scope, docs); err != nil {
		return nil, fmt.Errorf("read the search index: %w", err)
	}
	return docs, nil
}

type page struct {
	ScrollID string `json:"_scroll_id"`
	Hits     struct {
		Hits []struct {
			ID     string          `json:"_id"`
			Source search.Document `json:"_source"`
		} `json:"hits"`
	} `json:"hits"`
}

// matching is the query for all documents of a scope.
func matching(scope Scope) map[string]any {
	if scope.Store == 0 {
		return map[string]any{"match_all": map[string]any{}}
	}
	filter := []any{map[string]any{"term": map[string]any{"store": scope.Store}}}
	for _, b := range scope.bounds() {
		filter = append(filter, map[string]any{"range": map[string]any{"product": map[string]any{b.name: b.product}}})
	}
	return map[string]any{"bool": map[string]any{"filter": filter}}
}

// scrolled is how many documents are read at once.
const scrolled = 2000

// read scrolls through the index. Tombstones are fetched too and left out here, so that the filter that readers use is not
// trusted.
func (x *Index) read(ctx context.Context, client *elasticsearch.Client, scope Scope, docs Documents) error {
	which, err := json.Marshal(map[string]any{"query": matching(scope)})
	if err != nil {
		return err
	}
	res, err := client.Search(client.Search.WithContext(ctx), client.Search.WithIndex(search.Alias(x.prefix)),
		client.Search.WithBody(bytes.NewReader(which)),
		client.Search.WithScroll(time.Minute), client.Search.WithSize(scrolled), client.Search.WithSort("_doc"))
	for {
		var p page
		if err := decode(res, err, &p); err != nil {
			return err
		}
		for i := range p.Hits.Hits {
			d := &p.Hits.Hits[i].Source
			if d.Deleted {
				continue
			}
			for lang := range d.Names {
				if docs[lang+"/"+p.Hits.Hits[i].ID], err = canonicalSearch(d, lang); err != nil {
					return err
				}
			}
		}
		if len(p.Hits.Hits) < scrolled {
			res, err = client.ClearScroll(client.ClearScroll.WithContext(ctx), client.ClearScroll.WithScrollID(p.ScrollID))
			return decode(res, err, nil)
		}
		res, err = client.Scroll(client.Scroll.WithContext(ctx), client.Scroll.WithScrollID(p.ScrollID), client.Scroll.WithScroll(time.Minute))
	}
}

// AnswerError is an answer of the search server other than success.
type AnswerError struct {
	Status int // of HTTP
	Text   string
}

func (e *AnswerError) Error() string { return e.Text }

// Temporary says whether the same may be answered later.
func (e *AnswerError) Temporary() bool { return search.PassingStatus(e.Status) }

// decode reads a response into out, if that is not nil, and closes it.
func decode(res *esapi.Response, err error, out any) error {
	if err != nil {
		return err
	}
	body, readErr := io.ReadAll(res.Body)
	if err := errors.Join(readErr, res.Body.Close()); err != nil {
		return err
	}
	if res.IsError() {
		return &AnswerError{Status: res.StatusCode, Text: fmt.Sprintf("%s: %.500s", res.Status(), body)}
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(body, out)
}

func canonicalSearch(d *search.Document, lang string) (any, error) {
	pairs := list(slices.Concat(d.Facets, d.Filters))
	slices.Sort(pairs)
	if d.Card == nil || d.Price == nil || d.Available == nil || d.InStock == nil || d.Popularity == nil || d.Boost == nil {
		return nil, fmt.Errorf("the live document %s:%d lacks a field", d.Store, d.Product)
	}
	numbers := d.Numbers
	if numbers == nil {
		numbers = map[string][]float64{}
	}
	categories := list(d.Categories)
	slices.Sort(categories)
	return roundTrip(map[string]any{
		"title": d.Title[lang], "description": d.Description[lang], "refs": list(d.Refs), "brand": d.Brand, "brand_name": d.BrandName[lang],
		"price": *d.Price, "available": *d.Available, "in_stock": *d.InStock, "popularity": round4(*d.Popularity), "boost": *d.Boost,
		"categories": categories, "keywords": pairs, "numbers": numbers, "slug": d.Names[lang].Slug, "card_title": d.Names[lang].Title,
		"image": d.Card.Image, "list_price": d.Card.ListPrice, "low_stock": d.Card.LowStock,
		"rating": d.Card.Rating, "reviews": d.Card.Reviews,
	})
}
