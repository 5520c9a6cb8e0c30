package dimension_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"freshet/ingest/change"
	"freshet/projectors/dimension"
)

// TestFormerlyTellsWhatCameAndWent: rows that are as they were before, after having been otherwise, are told from rows that
// have been so all the time; changes of what documents don't take are no other form.
func TestFormerlyTellsWhatCameAndWent(t *testing.T) {
	store := func(name, langs string) string {
		return fmt.Sprintf(`{"id":7,"code":"s","name":%q,"market":"it","currency":"EUR","languages":["%s"],"tree_id":1,"active":true}`, name, strings.ReplaceAll(langs, " ", `","`))
	}
	colour := func(facet bool) string {
		return fmt.Sprintf(`{"code":"colour","kind":"keyword","facet":%t,"labels":"{}"}`, facet)
	}
	gone := ""
	for name, c := range map[string]struct {
		table string
		rows  []string // one after the other, gone for a delete
		want  string
	}{
		"all the time":      {"stores", []string{store("a", "it fr"), store("b", "it fr")}, ""},
		"a language more":   {"stores", []string{store("a", "it"), store("a", "it fr"), store("a", "it")}, "stores:7 in it fr 0/2:1"},
		"a language less":   {"stores", []string{store("a", "it fr"), store("a", "it"), store("b", "it fr")}, "stores:7 in it 0/2:1"},
		"another order":     {"stores", []string{store("a", "it fr"), store("a", "fr it")}, "stores:7 in it fr 0/1:1"},
		"closed for good":   {"stores", []string{store("a", "it"), gone}, "stores:7 in it 0/1:1"},
		"deleted and back":  {"stores", []string{store("a", "it"), gone, store("a", "it")}, "stores:7 gone 0/2:1"},
		"no facet a while":  {"attribute_defs", []string{colour(true), colour(false), colour(true)}, "attribute_defs:colour keyword, facet false, slot none 0/2:1"},
		"an attribute less": {"attribute_defs", []string{colour(true), gone}, "attribute_defs:colour keyword, facet true, slot none 0/1:1"},
	} {
		t.Run(name, func(t *testing.T) {
			var doc dimension.Row
			for i, row := range c.rows {
				ev := change.Event{Position: change.Position{Commit: change.LSN(i + 1), Index: 1}, Table: "public." + c.table, Op: change.Update, After: []byte(row)}
				if row == gone {
					ev.Op, ev.Before, ev.After = change.Delete, []byte(c.rows[0]), nil
				}
				e, err := dimension.Read(ev)
				if err != nil {
					t.Fatal(err)
				}
				doc.ID = e.Row
				doc.Fold(e)
			}
			set := setOf(t, &doc)
			if got := strings.Join(set.Formerly(7), "; "); got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
			if got := set.Formerly(8); c.table == "stores" && len(got) > 0 {
				t.Errorf("another store had %q", got)
			}
		})
	}
}

// setOf is a Set of one row, as a Cache loads it.
func setOf(t *testing.T, doc *dimension.Row) *dimension.Set {
	t.Helper()
	rows := dimension.Rows{Forms: map[string][]dimension.Form{doc.ID: doc.Forms}}
	var err error
	switch {
	case doc.Deleted:
	case strings.HasPrefix(doc.ID, "stores:"):
		rows.Stores = make([]dimension.Store, 1)
		err = json.Unmarshal(doc.Row, &rows.Stores[0])
	default:
		rows.Attributes = make([]dimension.Attribute, 1)
		err = json.Unmarshal(doc.Row, &rows.Attributes[0])
	}
	if err != nil {
		t.Fatal(err)
	}
	return dimension.NewSet(1, rows)
}
