package ingest

import (
	"testing"

	"freshet/ingest/pgoutput"
)

func TestCarriesRouting(t *testing.T) {
	column := func(name string, identity bool) pgoutput.Column {
		return pgoutput.Column{Name: name, Identity: identity}
	}
	tests := map[string]struct {
		columns []pgoutput.Column
		column  string
		carried bool
	}{
		"in the identity":     {[]pgoutput.Column{column("sku", true), column("product_id", true)}, "product_id", true},
		"not in the identity": {[]pgoutput.Column{column("id", true), column("product_id", false)}, "product_id", false},
		"the key routes":      {[]pgoutput.Column{column("id", true), column("name", false)}, "id", true},
		"without a key":       {[]pgoutput.Column{column("name", false)}, "", true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var c Config
			got, carried := c.carriesRouting(publishedTable{Schema: "public", Name: "t", Columns: test.columns})
			if got != test.column || carried != test.carried {
				t.Errorf("column %q, carried %v", got, carried)
			}
		})
	}
}
