package search

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strings"
	"time"

	"freshet/projectors/dimension"
)

// Explanation says why a hit is where it is.
type Explanation struct {
	Product int64
	Score   float64 // as the hit's: the product of the factors, unless it is pinned
	Reasons []Reason
}

// Reason is one thing that moves a hit, in words for people. Factor is what it multiplies the score by; 0 where the order
// is by no score.
type Reason struct {
	Kind   string
	Factor float64
	Text   string
}

// The kinds of reason.
const (
	ReasonText       = "text"
	ReasonPopularity = "popularity"
	ReasonStock      = "stock"
	ReasonBoost      = "boost" // the offer's own
	ReasonRule       = "rule"
	ReasonPersonal   = "personal"
	ReasonOrder      = "order"
)

// Explain says why the hits of a result are where they are. The result is one that Search or Page gave for the query; what
// was written since may show in the reasons.
func (s *Searcher) Explain(ctx context.Context, q Query, r *Result, dims *dimension.Set) ([]Explanation, error) {
	if err := q.Validate(); err != nil {
		return nil, err
	}
	p, err := s.plan(&q, dims)
	if err != nil {
		return nil, err
	}
	deadline, cancel := context.WithTimeout(ctx, s.cfg.Timeout)
	defer cancel()
	found, err := s.facts(deadline, p, r)
	if err != nil {
		return nil, s.classify(ctx, err)
	}
	explanations := make([]Explanation, len(r.Hits))
	for i := range r.Hits {
		h := &r.Hits[i]
		explanations[i] = Explanation{Product: h.Product, Score: h.Score, Reasons: p.reasons(h, found[h.Product], dims)}
	}
	return explanations, nil
}

// facts are what an order is made from.
type facts struct {
	text       float64
	ways       []string // names of the ways in which the text matched
	popularity float64
	boost      float64
	inStock    bool
	brand      string
	categories []string
}

// facts asks for the columns that the hits are ranked by, and which ways of the text they match: a request of its own, so
// that the one that found them is the one that everybody gets.
func (s *Searcher) facts(ctx context.Context, p *plan, r *Result) (map[int64]facts, error) {
	ids := make([]string, len(r.Hits))
	for i, h := range r.Hits {
		ids[i] = ID(p.q.Store, h.Product)
	}
	query := object{"filter": object{"ids": object{"values": ids}}}
	if p.q.hasText() {
		query["should"] = p.namedWays(r.Fuzzy)
	}
	body := object{
		"size": len(ids), "_source": false, "query": object{"bool": query}, "timeout": milliseconds(s.cfg.Timeout * 8 / 10),
		"docvalue_fields": []string{"product", "popularity", "boost", "in_stock", "brand", "categories"},
	}
	var answer struct {
		Hits struct {
			Hits []struct {
				Fields map[string][]json.RawMessage `json:"fields"`
				Ways   map[string]float64           `json:"matched_queries"`
			} `json:"hits"`
		} `json:"hits"`
	}
	if err := s.client.json(ctx, http.MethodPost, s.path(p.q)+"&include_named_queries_score=true", body, &answer); err != nil {
		return nil, err
	}
	all := make(map[int64]facts, len(ids))
	for _, h := range answer.Hits.Hits {
		var product int64
		f := facts{text: h.Ways[wholeText], ways: sortedKeys(h.Ways), boost: 1}
		for name, into := range map[string]any{"product": &product, "popularity": &f.popularity, "boost": &f.boost, "in_stock": &f.inStock, "brand": &f.brand} {
			if err := column(h.Fields[name], into); err != nil {
				return nil, fmt.Errorf("read column %s: %w", name, err)
			}
		}
		for _, raw := range h.Fields["categories"] {
			var c string
			if err := json.Unmarshal(raw, &c); err != nil {
				return nil, fmt.Errorf("read column categories: %w", err)
			}
			f.categories = append(f.categories, c)
		}
		all[product] = f
	}
	return all, nil
}

// column reads a column's value; without one what is there stays.
func column(values []json.RawMessage, into any) error {
	if len(values) == 0 {
		return nil
	}
	return json.Unmarshal(values[0], into)
}

func sortedKeys(m map[string]float64) []string {
	var names []string
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// wholeText names the clause that scores the text.
const wholeText = "text"

// ways are how a thing can be found, the plainest first, and what to say of one that was.
var ways = []struct{ name, words string }{
	{"exact", "%s is in the title"},
	{"form", "%s is in the title in another form"},
	{"brand", "%s is the brand"},
	{"category", "%s names its category"},
	{"synonym", "a synonym of %s is in the title"},
	{"measure", "%s is a measure in the title"},
	{"reference", "%s is in a SKU or GTIN"},
	{"description", "%s is in the description"},
	{"misspelt", "%s is nearly a word of the title or the brand"},
}

// namedWays are the clause of the text and, worth nothing, one for each way in which each of its things can be found.
func (p *plan) namedWays(fuzzy bool) []object {
	named := func(clause object, name string) object {
		return object{"bool": object{"must": []object{clause}, "_name": name}}
	}
	f := p.fields()
	clauses := []object{named(textClause(p.q.Text, f, p.things, fuzzy), wholeText)}
	for i := range p.things {
		t := &p.things[i]
		add := func(way string, clause object) {
			clauses = append(clauses, named(clause, fmt.Sprintf("%d %s", i, way)))
		}
		match := func(field string) object {
			return object{"match": object{field: object{"query": t.text(), "operator": "and"}}}
		}
		add("exact", match(f.exact))
		add("form", match(f.title))
		add("brand", match(f.brand))
		if len(t.brands) > 0 {
			add("brand", terms("brand", t.brands))
		}
		if len(t.categories) > 0 {
			add("category", terms("categories", t.categories))
		}
		add("description", match(f.description))
		for _, s := range t.synonyms {
			add("synonym", object{"match_phrase": object{f.title: object{"query": s, "slop": 1}}})
		}
		add("measure", term("measures", t.measure))
		if ref := cmp.Or(t.reference, asReference(t.text())); ref != "" {
			add("reference", prefixOf(ref, 1))
		}
		if fuzzy {
			add("misspelt", wordsClause(t.text(), f, true))
		}
	}
	return clauses
}

// reasons says what of the order moves a hit.
func (p *plan) reasons(h *Hit, f facts, dims *dimension.Set) []Reason {
	var reasons []Reason
	add := func(kind string, factor float64, format string, args ...any) {
		reasons = append(reasons, Reason{Kind: kind, Factor: math.Round(factor*1e4) / 1e4, Text: fmt.Sprintf(format, args...)})
	}
	for _, r := range p.rules.pins {
		if r.ProductID == h.Product {
			add(ReasonRule, 0, "Rule %d pins it to place %d.", r.ID, *r.Place)
		}
	}
	switch {
	case p.byScore() && p.q.hasText():
		add(ReasonText, f.text, "%s", p.textReason(f.ways))
		popular := popularityFactor(f.popularity, popularityAt(time.Now()))
		add(ReasonPopularity, popular, "What sells counts up to twice; this sells %s.", sellingWell(popular))
		if f.boost != 1 {
			add(ReasonBoost, f.boost, "The offer's own boost is %g.", f.boost)
		}
		if !f.inStock {
			add(ReasonStock, 0.5, "It is sold out, which halves its score.")
		}
		p.personalReasons(f, dims, add)
	case p.q.Sort == SortPriceAsc || p.q.Sort == SortPriceDesc || p.q.Sort == SortNewest:
		add(ReasonOrder, 0, "The order asked for is %s; nothing else moves it.", p.q.Sort)
	default:
		add(ReasonStock, 0, "It is %s; what is in stock comes first.", map[bool]string{true: "in stock", false: "sold out"}[f.inStock])
		add(ReasonPopularity, 0, "Then the highest rank comes first: its popularity %.3g times its boost %g.", f.popularity, f.boost)
	}
	for _, r := range p.rules.boosts {
		if r.ProductID == h.Product {
			add(ReasonRule, *r.Factor, "Rule %d multiplies its score by %g.", r.ID, *r.Factor)
		}
	}
	return reasons
}

// popularityFactor is what ranked makes of a popularity.
func popularityFactor(popularity, now float64) float64 {
	const reach = 2 * (most + least) / 2
	return 1 + max(0, (reach-math.Abs(popularity-now-most))/reach)
}

func sellingWell(factor float64) string {
	switch {
	case factor < 1.2:
		return "little or nothing"
	case factor < 1.5:
		return "now and then"
	}
	return "well"
}

// textReason says of each thing in the text by which way it was found: by the plainest.
func (p *plan) textReason(matched []string) string {
	var said []string
	for i := range p.things {
		words := fmt.Sprintf("“%s”", p.things[i].text())
		way := "%s was not found"
		for _, w := range ways {
			if slices.Contains(matched, fmt.Sprintf("%d %s", i, w.name)) {
				way = w.words
				break
			}
		}
		said = append(said, fmt.Sprintf(way, words))
	}
	if len(said) == 0 {
		return "The text names nothing."
	}
	return "How well the text matches: " + strings.Join(said, ", ") + "."
}

func (p *plan) personalReasons(f facts, dims *dimension.Set, add func(kind string, factor float64, format string, args ...any)) {
	if !p.personal() {
		return
	}
	a := p.q.Affinity
	for _, id := range strongest(a.Brands) {
		if key(id) == f.brand {
			b, _ := dims.Brand(id)
			add(ReasonPersonal, fondness(a.Brands[id], worthOwnBrand), "The customer buys the brand %s.", b.Name)
		}
	}
	for _, id := range strongest(a.Categories) {
		if slices.Contains(f.categories, key(id)) {
			add(ReasonPersonal, fondness(a.Categories[id], worthOwnCategory), "The customer buys in the category %s.", dims.CategoryName(id, p.q.Lang))
		}
	}
}
