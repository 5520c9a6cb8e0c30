package explain

import "testing"

// TestNowhere: a product is unknown only where every hop was looked at and none has a trace of it.
func TestNowhere(t *testing.T) {
	status := "draft"
	for name, c := range map[string]struct {
		status *string
		hops   []Hop
		want   bool
	}{
		"never there":                 {nil, []Hop{{Hop: "postgres"}, {Hop: "topic"}, {Hop: "product"}, {Hop: "home", Found: true}}, true},
		"a row":                       {&status, []Hop{{Hop: "postgres"}}, false},
		"a record of its delete":      {nil, []Hop{{Hop: "postgres"}, {Hop: "topic", Found: true}}, false},
		"a document, be it tombstone": {nil, []Hop{{Hop: "postgres"}, {Hop: "topic"}, {Hop: "product", Found: true}}, false},
		"a parked record":             {nil, []Hop{{Hop: "postgres"}, {Hop: "deadletter", Found: true}}, false},
		"not all could be looked at":  {nil, []Hop{{Hop: "postgres"}, {Hop: "unreachable", Findings: []Finding{{Kind: Unreachable}}}}, false},
	} {
		made := &tour{rows: &rows{status: c.status}}
		made.Hops = c.hops
		if got := made.nowhere(); got != c.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}
