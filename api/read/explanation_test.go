package read_test

import (
	"errors"
	"reflect"
	"testing"

	"freshet/api/auth"
	"freshet/api/read"
	"freshet/projectors/catalog"
	"freshet/projectors/recommend"
	"freshet/search"
)

func TestExplanationsAreForSupport(t *testing.T) {
	s := newShop(t)
	const path = "/api/v1/stores/milano/search?q=stivale&explain=true"
	s.get(path).want(t, 403)
	s.as(auth.Customer, 5, path).want(t, 403)
	s.as(auth.Seller, 5, path).want(t, 403)
	var page read.SearchPage
	r := s.as(auth.Support, 1, path).want(t, 200)
	r.decode(t, &page)
	if len(page.Explanations) != 1 || page.Explanations[0].Reasons[0].Text != "How well." || r.header.Get("Cache-Control") != "private, no-cache" {
		t.Errorf("%+v, %s", page.Explanations, r.header.Get("Cache-Control"))
	}
	page = read.SearchPage{}
	s.as(auth.Data, 1, path+"&customer=5").want(t, 400) // what a customer bought is none of its data
	s.as(auth.Data, 1, path).want(t, 200).decode(t, &page)
	if len(page.Explanations) != 1 {
		t.Errorf("the role data is told %+v", page.Explanations)
	}
	page = read.SearchPage{}
	s.as(auth.Support, 1, "/api/v1/stores/milano/search?q=stivale").want(t, 200).decode(t, &page)
	if page.Explanations != nil {
		t.Errorf("nobody asked for %+v", page.Explanations)
	}
}

func TestSearchesKnowTheirCustomer(t *testing.T) {
	s := newShop(t)
	second := *s.products[7]
	second.ID, second.Brand = 8, catalog.Brand{ID: 6, Name: "Orso"}
	second.Categories = []catalog.Category{{ID: 2}, {ID: 1, Deleted: true}}
	s.products[8] = &second
	s.bought = map[int64][]recommend.Score{5: {{Product: 7, Score: 3}, {Product: 8, Score: 1}, {Product: 99, Score: 4}}}
	know := search.Affinity{Brands: map[int64]float64{5: 0.375, 6: 0.125}, Categories: map[int64]float64{2: 0.5, 3: 0.375}} // 9 is of another store's tree
	const path = "/api/v1/stores/milano/search"
	for _, tt := range []struct {
		role    auth.Role
		account int64
		query   string
		want    search.Affinity
	}{
		{auth.Customer, 5, "?q=x", know},
		{auth.Customer, 5, "?q=x&personal=false", search.Affinity{}},
		{auth.Customer, 5, "", search.Affinity{}},
		{auth.Customer, 4, "?q=x", search.Affinity{}},
		{auth.Seller, 5, "?q=x", search.Affinity{}},
		{auth.Support, 5, "?q=x", search.Affinity{}},
		{auth.Data, 5, "?q=x", search.Affinity{}},
		{auth.Support, 1, "?q=x&customer=5", know},
	} {
		s.as(tt.role, tt.account, path+tt.query).want(t, 200)
		if !reflect.DeepEqual(s.asked.Affinity, tt.want) {
			t.Errorf("%s %d %s: %+v, want %+v", tt.role, tt.account, tt.query, s.asked.Affinity, tt.want)
		}
	}
	s.as(auth.Customer, 4, path+"?q=x&customer=5").want(t, 400) // whose history it is, is not for others to say
	s.get(path+"?customer=5&q=x").want(t, 400)
	s.as(auth.Customer, 5, path+"?q=x&personal=yes").want(t, 400)
}

// A search is answered for nobody in particular where the history can't be read.
func TestSearchesGoOnWithoutHistories(t *testing.T) {
	s := newShop(t)
	s.forgotten = errors.New("no answer")
	s.as(auth.Customer, 5, "/api/v1/stores/milano/search?q=x").want(t, 200)
}
