package offer

import (
	"math"
	"time"
)

// Prices start and end by the clock, without any row being written. Time comes into the fold as a fact like any other:
// Passed says which bound of a date has come for sure, so that what a document shows depends on the document alone, and a
// bound that comes is a change with a revision of its own (docs/adr/0017). Moments are microseconds since 1970, as exact as
// Postgres keeps them.

// At is what the price is at a moment, by the rule that orders are placed by: outside its dates the list price holds, and
// without one it isn't sold.
func (p *Price) At(t time.Time) (amount, list int64, sold bool) {
	switch {
	case p.holds(t.UnixMicro()):
		return p.Amount, p.ListAmount, true
	case p.ListAmount > 0:
		return p.ListAmount, 0, true
	}
	return p.Amount, 0, false
}

// holds says whether the moment is from the first of the price's dates to before the second.
func (p *Price) holds(at int64) bool {
	if from, ok := moment(p.ValidFrom); ok && at < from {
		return false
	}
	if to, ok := moment(p.ValidTo); ok && at >= to {
		return false
	}
	return true
}

// moment reads a bound; one that is no time is none. Postgres has infinite times, and ones in years of other than four
// digits: those are written with a sign, and before or after everything.
func moment(s string) (at int64, ok bool) {
	if s == "" {
		return 0, false
	}
	switch s[0] {
	case '+':
		return math.MaxInt64, true
	case '-':
		return math.MinInt64, true
	}
	t, err := time.Parse(time.RFC3339, s)
	return t.UnixMicro(), err == nil
}

// AsOf is the moment whose prices the document shows: everything up to it has come for sure. It is the commit of the newest
// change, or a later bound that the clock has brought.
func (o *Offer) AsOf() time.Time {
	if t := time.UnixMicro(o.Passed).UTC(); t.After(o.Source.Time) {
		return t
	}
	return o.Source.Time
}

// bounds returns the last bound of the offer's dates that has come by now, and the first that has not; 0 for none.
func (o *Offer) bounds(now int64) (passed, next int64) {
	for i := range o.Prices {
		if o.Prices[i].Deleted {
			continue
		}
		for _, s := range []string{o.Prices[i].ValidFrom, o.Prices[i].ValidTo} {
			at, ok := moment(s)
			switch {
			case !ok:
			case at <= now:
				passed = max(passed, at)
			case next == 0 || at < next:
				next = at
			}
		}
	}
	return passed, next
}

// date works the bounds out anew after a change.
func (o *Offer) date() {
	o.Passed, o.Edge = o.bounds(o.AsOf().UnixMicro())
}

// pass folds the fact that it is now, and says whether that changed the document. Edge stays where it was: it moves on when
// the view that shows the change is published, so that a clock that dies in between finds the offer again.
func (o *Offer) pass(now time.Time) bool {
	at := now.UnixMicro()
	if o.Edge == 0 || o.Edge > at {
		return false
	}
	passed, _ := o.bounds(max(at, o.AsOf().UnixMicro()))
	changed := passed != o.Passed
	o.Passed = passed
	return changed
}
