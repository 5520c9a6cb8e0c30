package read

import (
	"context"
	"strconv"
	"time"

	"freshet/api"
	"freshet/api/auth"
	"freshet/projectors/catalog"
	"freshet/projectors/dimension"
	"freshet/projectors/offer"
	"freshet/projectors/recommend"
	"freshet/projectors/tree"
	"freshet/projectors/view"
)

// Recommendations are the documents that say what to show; recommend.Store has them.
type Recommendations interface {
	Together(ctx context.Context, product int64) ([]recommend.Pair, error)
	Picks(ctx context.Context, customer int64) ([]recommend.Score, error)
	Bought(ctx context.Context, customer int64) ([]recommend.Score, error)
}

// minOrders is how many orders must hold a pair before it is shown: one is an accident.
const minOrders = 2

// Together is what is bought together with a product, the best first, as far as the store sells it.
type Together struct {
	Store   StoreRef `json:"store"`
	Lang    string   `json:"lang"`
	Product int64    `json:"product"`
	Pairs   []Pair   `json:"pairs"`
}

// Pair is a product that is bought together with another.
type Pair struct {
	Card    Card    `json:"card"`
	Orders  int64   `json:"orders"`
	Support float64 `json:"support"`
	Lift    float64 `json:"lift"`
}

// Picks are cards for a landing page.
type Picks struct {
	Store StoreRef `json:"store"`
	Lang  string   `json:"lang"`
	// Personal is how many of the cards, the first ones, are picked by what the caller bought; the others are popular.
	Personal int    `json:"personal"`
	Cards    []Card `json:"cards"`
}

func (s *Shop) together(ctx context.Context, r *request) (response, error) {
	st, lang, err := r.front(r.store)
	if err != nil {
		return response{}, err
	}
	limit := int(r.query.integer("limit", 1, 24, 8))
	if err := r.query.end(); err != nil {
		return response{}, err
	}
	id, err := strconv.ParseInt(r.item, 10, 64)
	if err != nil || id <= 0 {
		return response{}, api.Errorf(api.NotFound, "The store has no product %q.", cut(r.item))
	}
	pairs, err := s.pairs(ctx, r.dims, st, lang, id, limit)
	if err != nil {
		return response{}, err
	}
	return response{document: Together{Store: ref(st), Lang: lang, Product: id, Pairs: pairs}, lang: lang}, nil
}

// pairs lists what is bought together with a product, as far as the store shows it.
func (s *Shop) pairs(ctx context.Context, dims *dimension.Set, st dimension.Store, lang string, product int64, limit int) ([]Pair, error) {
	pairs, err := s.cfg.Recommendations.Together(ctx, product)
	if err != nil {
		return nil, err
	}
	var products []int64
	for _, p := range pairs {
		if p.Orders >= minOrders {
			products = append(products, p.Product)
		}
	}
	cards, err := s.cards(ctx, dims, st, lang, products)
	if err != nil {
		return nil, err
	}
	list := []Pair{}
	for _, p := range pairs {
		if card, ok := cards[p.Product]; ok && len(list) < limit {
			list = append(list, Pair{Card: card, Orders: p.Orders, Support: p.Support, Lift: p.Lift})
		}
	}
	return list, nil
}

// picks shows a customer what is picked for them, and fills up with what is popular: all of it for who has no account or
// never bought anything.
func (s *Shop) picks(ctx context.Context, r *request) (response, error) {
	st, lang, err := r.front(r.store)
	if err != nil {
		return response{}, err
	}
	limit := int(r.query.integer("limit", 1, 48, 24))
	if err := r.query.end(); err != nil {
		return response{}, err
	}
	answer := Picks{Store: ref(st), Lang: lang, Cards: []Card{}}
	if r.who.role == auth.Customer {
		if answer.Cards, err = s.picked(ctx, r, st, lang, limit); err != nil {
			return response{}, err
		}
		answer.Personal = len(answer.Cards)
	}
	if len(answer.Cards) < limit {
		home, err := s.cfg.Pages.Home(ctx, st.ID, lang, 1)
		if err != nil {
			return response{}, err
		}
		answer.Cards = fillUp(answer.Cards, popular(home), limit)
	}
	return response{document: answer, lang: lang}, nil
}

func (s *Shop) picked(ctx context.Context, r *request, st dimension.Store, lang string, limit int) ([]Card, error) {
	scores, err := s.cfg.Recommendations.Picks(ctx, r.who.account)
	if err != nil {
		return nil, err
	}
	products := make([]int64, len(scores))
	for i, p := range scores {
		products[i] = p.Product
	}
	cards, err := s.cards(ctx, r.dims, st, lang, products)
	if err != nil {
		return nil, err
	}
	list := []Card{}
	for _, p := range products {
		// What is sold out is no use on a landing page.
		if card, ok := cards[p]; ok && card.InStock && len(list) < limit {
			list = append(list, card)
		}
	}
	return list, nil
}

// popular takes the best of each of the home page's categories, then the second of each, and so on.
func popular(home tree.Home) []Card {
	var list []Card
	for i := range tree.HomeCards {
		for _, c := range home.Categories {
			if i < len(c.Cards) {
				list = append(list, Card(c.Cards[i]))
			}
		}
	}
	return list
}

// fillUp adds cards of products that are not there yet.
func fillUp(list, more []Card, limit int) []Card {
	seen := map[int64]bool{}
	for _, c := range list {
		seen[c.Product] = true
	}
	for _, c := range more {
		if !seen[c.Product] && len(list) < limit {
			seen[c.Product] = true
			list = append(list, c)
		}
	}
	return list
}

// cards makes the cards of the products that the store shows, as their pages would show them now.
func (s *Shop) cards(ctx context.Context, dims *dimension.Set, st dimension.Store, lang string, products []int64) (map[int64]Card, error) {
	if len(products) == 0 {
		return nil, nil
	}
	found, offers, err := s.cfg.Products.Offers(ctx, st.ID, products)
	if err != nil {
		return nil, err
	}
	cards := make(map[int64]Card, len(products))
	for _, id := range products {
		v := view.Join(found[id], offers[offer.ID(st.ID, id)])
		if v.Deleted || !v.Visible {
			continue
		}
		page, err := productPage(&v, st, lang, dims, time.Now())
		if err != nil {
			return nil, err
		}
		cards[id] = page.card(v.BrandName)
	}
	return cards, nil
}

func (p *ProductPage) card(brand string) Card {
	c := Card{
		Product: p.ID, Title: p.Title, Slug: p.Slug, Price: p.Price, ListPrice: p.ListPrice, Brand: brand, InStock: p.InStock, LowStock: p.LowStock,
	}
	if len(p.Images) > 0 {
		c.Image = p.Images[0].URL
	}
	return c
}

// Offers returns the documents of several products in a store, by one read of each collection.
func (d *Documents) Offers(ctx context.Context, store int64, products []int64) (map[int64]*catalog.Product, map[string]*offer.Offer, error) {
	ids := make([]string, len(products))
	for i, p := range products {
		ids[i] = offer.ID(store, p)
	}
	offers, err := d.offers.Load(ctx, ids)
	if err != nil {
		return nil, nil, err
	}
	found, err := d.products.Load(ctx, products)
	return found, offers, err
}
