package audit

import (
	"reflect"
	"slices"
)

// Looks is how often documents are looked at before what is wrong counts. A change that is committed while they are read
// shows as a difference, and is gone at the next look; what is wrong in the same way each time is wrong.
const Looks = 3

// Settle looks until nothing is wrong any more, at most Looks times. A look hands what it has found to still before it does
// anything about it, and returns what that left. Settle returns the last report, and how many documents differed at the first
// look that are no longer in it: somebody was changing them, or they were only late.
func Settle(look func(still func(Report) Report, last bool) (Report, error)) (report Report, passing int, err error) {
	still := func(r Report) Report { return r }
	for n := range Looks {
		if report, err = look(still, n == Looks-1); err != nil {
			return nil, 0, err
		}
		if n == 0 {
			passing = report.Wrong()
		}
		if report.Wrong() == 0 {
			break
		}
		before := index(report.wrong())
		still = func(r Report) Report { return r.still(before) }
	}
	return report, passing - report.Wrong(), nil
}

// Again keeps of the documents that were wrong before those that are still wrong in the same way; before is nil at the first
// look. A document that is wrong in another way was changed between the two: where hundreds are a second, some are at
// every look. Whether such a one is right shows when nobody has changed it for as long as the looks take.
func Again(before map[Kind][]Difference, report Report) map[Kind][]Difference {
	if before != nil {
		report = report.still(index(before))
	}
	return report.wrong()
}

// wrong lists all differences of each kind that has some.
func (r Report) wrong() map[Kind][]Difference {
	now := map[Kind][]Difference{}
	for _, k := range r {
		if all := slices.Concat(k.Missing, k.Extra, k.Different); len(all) > 0 {
			now[k.Kind] = append(now[k.Kind], all...)
		}
	}
	return now
}

// index finds the difference of a document; where a whole index was lost they are too many to look through.
func index(wrong map[Kind][]Difference) map[Kind]map[string]Difference {
	found := map[Kind]map[string]Difference{}
	for kind, list := range wrong {
		found[kind] = make(map[string]Difference, len(list))
		for _, d := range list {
			found[kind][d.Key] = d
		}
	}
	return found
}

// still is the report without what was not wrong in the same way before.
func (r Report) still(before map[Kind]map[string]Difference) Report {
	kept := slices.Clone(r)
	for i := range kept {
		k := &kept[i]
		gone := func(d Difference) bool {
			earlier, known := before[k.Kind][d.Key]
			return !known || !d.was(earlier)
		}
		for _, list := range []*[]Difference{&k.Missing, &k.Extra, &k.Different} {
			*list = slices.DeleteFunc(slices.Clone(*list), gone)
		}
	}
	return kept
}

// was says whether an earlier difference is the same one. A document that is missing or too many is, whatever would be in it.
func (d Difference) was(before Difference) bool {
	if d.Key != before.Key || d.Path != before.Path {
		return false
	}
	if d.Path == "" && (d.Want == nil || d.Got == nil) {
		return (d.Want == nil) == (before.Want == nil) && (d.Got == nil) == (before.Got == nil)
	}
	return reflect.DeepEqual(d.Want, before.Want) && reflect.DeepEqual(d.Got, before.Got)
}
