package tree

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// TestASpanKnowsItsEnds: after any numbers have come and gone, the bounds are those of the ones that are there.
func TestASpanKnowsItsEnds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := span{counts: map[float64]int{}}
		var there []float64
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			if len(there) > 0 && rapid.Bool().Draw(t, "leaves") {
				i := rapid.IntRange(0, len(there)-1).Draw(t, "which")
				s.drop(there[i])
				there = slices.Delete(there, i, i+1)
			} else {
				value := float64(rapid.IntRange(-3, 3).Draw(t, "value"))
				s.add(value)
				there = append(there, value)
			}
			if s.total != len(there) {
				t.Fatalf("%d are counted of %d", s.total, len(there))
			}
			// Not looked at each time, so that ends leave while others have left before.
			if len(there) > 0 && rapid.Bool().Draw(t, "looked at") {
				if got := s.bounds(); got[0] != slices.Min(there) || got[1] != slices.Max(there) {
					t.Fatalf("bounds %v of %v", got, there)
				}
			}
		}
	})
}
