package search

import (
	"cmp"
	"slices"
	"time"

	"freshet/projectors/dimension"
)

// maxBanners is how many banners one result shows.
const maxBanners = 10

// bannersOf finds the banners for a query, the lowest place first: of which it has the store, the language, the text and
// the category, as far as the banner names them, while the banner is valid.
func bannersOf(q *Query, dims *dimension.Set, now time.Time) []dimension.Banner {
	var found []dimension.Banner
	text, category := stems(split(q.Text), q.Lang), q.Viewed()
	for _, b := range dims.Banners() {
		if !b.Active || b.StoreID != nil && *b.StoreID != q.Store || b.Lang != nil && *b.Lang != q.Lang ||
			b.CategoryID != nil && *b.CategoryID != category || b.Query != nil && stems(split(*b.Query), q.Lang) != text {
			continue
		}
		if reached(b.ValidFrom, now, true) && !reached(b.ValidTo, now, false) {
			found = append(found, b)
		}
	}
	slices.SortStableFunc(found, func(a, b dimension.Banner) int { return cmp.Compare(a.Place, b.Place) })
	return found[:min(len(found), maxBanners)]
}

// reached says whether a time has come; otherwise is for none.
func reached(at *string, now time.Time, otherwise bool) bool {
	if at == nil {
		return otherwise
	}
	t, err := time.Parse(time.RFC3339, *at)
	return err == nil && !t.After(now)
}
