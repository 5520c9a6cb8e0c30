package read_test

import (
	"fmt"
	"testing"

	"freshet/api/auth"
	"freshet/api/read"
	"freshet/projectors/recommend"
)

// sell puts products like 7 on sale in store 1; stock is what there is of each.
func (s *shop) sell(stock map[int64]int64) {
	for id, n := range stock {
		p, o := *s.products[7], *s.offers["1:7"]
		p.ID, o.ID, o.Product = id, fmt.Sprint("1:", id), id
		o.Stock = append(o.Stock[:0:0], o.Stock...)
		for i := range o.Stock {
			o.Stock[i].OnHand, o.Stock[i].Reserved = n, 0
		}
		s.products[id], s.offers[o.ID] = &p, &o
	}
}

func TestTogether(t *testing.T) {
	s := newShop(t)
	s.sell(map[int64]int64{11: 5, 12: 0, 13: 5})
	s.offers["1:13"].Row.Status = "paused"
	s.pairs = map[int64][]recommend.Pair{7: {
		{Product: 13, Orders: 9, Support: 0.9, Lift: 4},
		{Product: 12, Orders: 5, Support: 0.5, Lift: 3},
		{Product: 99, Orders: 4, Support: 0.4, Lift: 2},
		{Product: 11, Orders: 2, Support: 0.2, Lift: 1.5},
		{Product: 7, Orders: 1, Support: 0.1, Lift: 1},
	}}
	var page read.Together
	s.get("/api/v1/stores/milano/products/7/together").want(t, 200).decode(t, &page)
	if len(page.Pairs) != 2 || page.Pairs[0].Card.Product != 12 || page.Pairs[1].Card.Product != 11 || page.Pairs[1].Lift != 1.5 || page.Pairs[1].Card.Title != "Stivale" {
		t.Errorf("pairs %+v: want 12 and 11, which the store shows and two orders hold", page.Pairs)
	}
	s.get("/api/v1/stores/milano/products/7/together?limit=1").want(t, 200).decode(t, &page)
	if len(page.Pairs) != 1 {
		t.Errorf("pairs %+v, want one", page.Pairs)
	}
	product := s.get("/api/v1/stores/milano/products/7?together=1").want(t, 200)
	var beside read.ProductPage
	if product.decode(t, &beside); len(beside.Together) != 1 || beside.Together[0] != page.Pairs[0] || beside.Title != "Stivale" {
		t.Errorf("the product's page has %+v beside it, want %+v", beside.Together, page.Pairs)
	}
	// Absent unless asked for, and empty where there are none.
	for path, want := range map[string]bool{"7": false, "7?together=0": false, "11?together=8": true} {
		var page map[string]any
		s.get("/api/v1/stores/milano/products/"+path).want(t, 200).decode(t, &page)
		if list, shown := page["together"].([]any); shown != want || len(list) != 0 {
			t.Errorf("%s shows %v", path, page["together"])
		}
	}
	s.get("/api/v1/stores/milano/products/7?together=9").want(t, 400)
	s.get("/api/v1/stores/milano/products/99?together=8").want(t, 404)
	if r := s.get("/api/v1/stores/milano/products/11/together").want(t, 200); r.header.Get("Freshet-As-Of") == "" {
		t.Error("no Freshet-As-Of")
	}
	s.get("/api/v1/stores/milano/products/x/together").want(t, 404)
	s.get("/api/v1/stores/milano/products/7/together?limit=25").want(t, 400)
}

func TestPicks(t *testing.T) {
	s := newShop(t)
	s.sell(map[int64]int64{11: 5, 12: 0, 13: 5})
	s.scores = map[int64][]recommend.Score{5: {{Product: 12, Score: 3}, {Product: 13, Score: 2}, {Product: 11, Score: 1}, {Product: 99, Score: 1}}}
	shown := func(r reply) (ids string, personal int) {
		var page read.Picks
		r.want(t, 200).decode(t, &page)
		for _, c := range page.Cards {
			ids += fmt.Sprint(c.Product, " ")
		}
		return ids, page.Personal
	}
	const path = "/api/v1/stores/milano/picks"
	for name, c := range map[string]struct {
		reply    reply
		want     string
		personal int
	}{
		"nobody":                   {s.get(path), "7 ", 0},
		"a customer":               {s.as(auth.Customer, 5, path), "13 11 7 ", 2},
		"a customer, two cards":    {s.as(auth.Customer, 5, path+"?limit=2"), "13 11 ", 2},
		"a customer without any":   {s.as(auth.Customer, 6, path), "7 ", 0},
		"a seller with the number": {s.as(auth.Seller, 5, path), "7 ", 0},
	} {
		if ids, personal := shown(c.reply); ids != c.want || personal != c.personal {
			t.Errorf("%s sees %q, %d of them personal; want %q, %d", name, ids, personal, c.want, c.personal)
		}
	}
	s.get(path, "Authorization", "Bearer nonsense").want(t, 401)
}
