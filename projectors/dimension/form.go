package dimension

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"freshet/ingest/change"
)

// Form is what search documents take of a row, the languages of a store or the kind of an attribute, and the last position at
// which the row had it. Whoever writes documents may have gone by any form there ever was. That a row is as it was before
// doesn't mean that it was so all the time.
type Form struct {
	Form string          `bson:"form"`
	Pos  change.Position `bson:"pos"`
}

// formGone is the form of a deleted row.
const formGone = "gone"

// formOf is the form of a row of stores or attribute_defs.
func formOf(row any) string {
	switch row := row.(type) {
	case *Store:
		return "in " + strings.Join(row.Languages, " ")
	case *Attribute:
		slot := "none"
		if row.NumericSlot != nil {
			slot = strconv.FormatInt(*row.NumericSlot, 10)
		}
		return fmt.Sprintf("%s, facet %t, slot %s", row.Kind, row.Facet, slot)
	}
	return ""
}

// note notes that the row had a form at the position.
func (r *Row) note(form string, at change.Position) bool {
	if form == "" {
		return false
	}
	i, found := slices.BinarySearchFunc(r.Forms, form, func(f Form, form string) int { return strings.Compare(f.Form, form) })
	switch {
	case !found:
		r.Forms = slices.Insert(r.Forms, i, Form{form, at})
	case at.After(r.Forms[i].Pos):
		r.Forms[i].Pos = at
	default:
		return false
	}
	return true
}

// Formerly lists the forms that the store and the attributes had and have no more, with the last position of each: two Sets of
// which the lists and the rows are equal have had no other form in between.
func (s *Set) Formerly(store int64) []string {
	var all []string
	for id, forms := range s.forms {
		if strings.HasPrefix(id, "stores:") && id != numbered("stores", store) {
			continue
		}
		now := s.formNow(id, store)
		for _, f := range forms {
			if f.Form != now {
				all = append(all, fmt.Sprintf("%s %s %s", id, f.Form, f.Pos))
			}
		}
	}
	slices.Sort(all)
	return all
}

// formNow is the form of the store, or of the attribute that the id is of.
func (s *Set) formNow(id string, store int64) string {
	if code, ok := strings.CutPrefix(id, "attribute_defs:"); ok {
		if a, known := s.attributes[code]; known {
			return formOf(&a)
		}
	} else if st, known := s.stores[store]; known {
		return formOf(&st)
	}
	return formGone
}
