package read_test

import (
	"fmt"
	"strings"
	"testing"

	"freshet/api/read"
	"freshet/projectors/tree"
)

// A search among the values of a facet leaves the facet's own selection out and obeys all others.
func TestFacetValues(t *testing.T) {
	address, _ := widgetServer(t)
	for query, want := range map[string]string{
		"brand?value=br":                         "Brenta 10",
		"brand?value=br&brand=1":                 "Brenta 10",
		"brand?value=br&category=1":              "Brenta 5",
		"brand?value=br&attr.colour=red":         "",
		"brand?value=a&q=pentola":                "Alba 5",
		"brand?limit=2&price_max=300":            "Alba 1, Brenta 1",
		"colour?value=b&attr.colour=red":         " 20",
		"category?value=bag&category=1":          "Bagno 10",
		"category_level_1?value=cu":              "Cucina 10",
		"in_stock?value=s&in_stock=true":         "Sì 30",
		"brand?value=br&in_stock=true":           "Brenta 10",
		"material?value=w&attr.weight_g.min=800": " 1",
	} {
		var page read.FacetValues
		fetch(t, address+"/api/v1/stores/widgets/facets/"+query, &page)
		var got []string
		for _, v := range page.Values {
			got = append(got, fmt.Sprint(v.Label, " ", v.Count))
		}
		if strings.Join(got, ", ") != want {
			t.Errorf("%s: %v, want %s", query, got, want)
		}
	}
	s := newShop(t)
	s.get("/api/v1/stores/milano/facets/brand?value=lu").want(t, 200)
	s.get("/api/v1/stores/milano/facets/brand?value=lu&colour=red").want(t, 400)
	s.get("/api/v1/stores/milano/facets/brand?limit=0").want(t, 400)
	s.get("/api/v1/stores/roma/facets/brand").want(t, 404)
}

// TestBooleansOfACategoryHaveLabels as those of a search have.
func TestBooleansOfACategoryHaveLabels(t *testing.T) {
	s := newShop(t)
	for lang, want := range map[string]string{"it": "true Sì 3, false No 1", "de": "true Ja 3, false Nein 1"} {
		n := s.nodes["1:2:it"]
		n.Facets = []tree.Facet{{Code: "vegan", Values: []tree.FacetValue{{Value: "true", Count: 3}, {Value: "false", Count: 1}}}}
		s.nodes["1:2:"+lang] = n
		var page struct {
			Facets []struct{ Values []read.Value }
		}
		s.get("/api/v1/stores/milano/categories/2?lang="+lang).want(t, 200).decode(t, &page)
		var said []string
		for _, v := range page.Facets[0].Values {
			said = append(said, fmt.Sprint(v.Value, " ", v.Label, " ", v.Count))
		}
		if got := strings.Join(said, ", "); got != want {
			t.Errorf("%s: %s, want %s", lang, got, want)
		}
	}
}
