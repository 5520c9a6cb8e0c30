package read_test

import (
	"fmt"
	"strings"
	"testing"

	"freshet/api/read"
)

// A search among the values of a facet leaves the facet's own selection out and obeys all others.
func TestFacetValues(t *testing.T) {
	address, _ := widgetServer(t)
	for query, want := range map[string]string{
		"brand?value=br":                     "Brenta 10",
		"brand?value=br&brand=1":             "Brenta 10",
		"brand?value=br&category=1":          "Brenta 5",
		"brand?value=br&attr.colour=red":     "",
		"brand?value=a&q=pentola":            "Alba 5",
		"brand?limit=2&price_max=300":        "Alba 1, Brenta 1",
		"colour?value=b&attr.colour=red":     " 20",
		"category?value=bag&category=1":      "Bagno 10",
		"category_level_1?value=cu":          "Cucina 10",
		"in_stock?value=s&in_stock=true":     "Sì 30",
		"brand?value=br&in_stock=true":       "Brenta 10",
		"material?value=w&attr.weight.min=8": " 1",
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
