package bench

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"

	"freshet/search"
)

// comparedPages is how many pages of each kind are compared.
const comparedPages = 25

// compare asks all engines for pages without a text, and reports every count in which they differ from ours.
func (b *bazaar) compare(ctx context.Context, report *Report, engines []engine) error {
	b.t.Note("%s", b.what("comparing the counts"))
	dice, compared := rand.New(rand.NewPCG(2, 1)), map[string]int{}
	for _, kind := range searcherKinds {
		for range comparedPages {
			q := b.draw(dice, kind)
			if kind.text {
				continue
			}
			want, err := engines[0].Search(ctx, q, b.dims)
			if err != nil {
				return fmt.Errorf("compare %s: %w", engines[0].name, err)
			}
			for _, e := range engines[1:] {
				got, err := e.Search(ctx, q, b.dims)
				if err != nil {
					return fmt.Errorf("compare %s: %w", e.name, err)
				}
				n, differ := differences(&want, &got)
				compared[e.name] += n
				for _, d := range differ {
					report.problem("%s", b.what("%s counts otherwise: store %d, %s, %s: %s", e.name, q.Store, q.Lang, kind.name, d))
				}
			}
		}
	}
	for _, e := range engines[1:] {
		row := Row{What: b.what("%s beside %s", e.name, engines[0].name)}
		row.Set("counts compared", float64(compared[e.name]))
		report.Rows = append(report.Rows, row)
	}
	return nil
}

// differences compares the total and every count of every facet, and the bounds, and says how many figures that were. Ours
// lists the values of a facet up to a number: of the others those may be missing that are not more frequent than its last.
func differences(want, got *search.Result) (compared int, differ []string) {
	note := func(what string, ours, theirs any) {
		if compared++; fmt.Sprint(ours) != fmt.Sprint(theirs) {
			differ = append(differ, fmt.Sprintf("%s is %v, not %v", what, theirs, ours))
		}
	}
	note("the total", want.Total, got.Total)
	note("the number of facets", len(want.Facets), len(got.Facets))
	for i := range min(len(want.Facets), len(got.Facets)) {
		ours, theirs := &want.Facets[i], &got.Facets[i]
		if ours.Count > 0 || theirs.Count > 0 {
			note(ours.Code+", numbers", ours.Count, theirs.Count)
			note(ours.Code+", bounds", bothOf(ours), bothOf(theirs))
		}
		listed, last := countsOf(ours)
		all, _ := countsOf(theirs)
		for value, n := range all {
			if _, shown := listed[value]; !shown && len(listed) >= search.MaxValues && n <= last {
				continue
			}
			note(ours.Code+" "+value, listed[value], n)
		}
		for value, n := range listed {
			if _, shown := all[value]; !shown && n > 0 {
				note(ours.Code+" "+value, n, 0)
			}
		}
	}
	slices.Sort(differ)
	return compared, differ
}

// bothOf writes the bounds of a facet.
func bothOf(f *search.Facet) string {
	if f.Min == nil || f.Max == nil {
		return "none"
	}
	return fmt.Sprint(*f.Min, " to ", *f.Max)
}

// countsOf are a facet's counts by value, and the lowest of them.
func countsOf(f *search.Facet) (counts map[string]int64, last int64) {
	counts = make(map[string]int64, len(f.Values))
	for i, v := range f.Values {
		counts[v.Value] = v.Count
		if last = min(last, v.Count); i == 0 {
			last = v.Count
		}
	}
	return counts, last
}
