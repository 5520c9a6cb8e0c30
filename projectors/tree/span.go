package tree

import (
	"maps"
	"slices"
)

// measure is a number that an item has of an attribute.
type measure struct {
	code  string
	value float64
}

// span is the numbers that a category's offers have of one attribute. They are counted by value, so that an end that leaves
// is noticed, and looked for again among the values only then.
type span struct {
	counts      map[float64]int
	total       int
	least, most float64
	left        bool // an end has left, and another is to be found
}

func (s *span) add(value float64) {
	if len(s.counts) == 0 {
		s.least, s.most, s.left = value, value, false
	}
	s.least, s.most = min(s.least, value), max(s.most, value)
	s.counts[value]++
	s.total++
}

func (s *span) drop(value float64) {
	s.total--
	if s.counts[value]--; s.counts[value] == 0 {
		delete(s.counts, value)
		s.left = s.left || value == s.least || value == s.most
	}
}

// bounds are the least and the greatest value; there must be one.
func (s *span) bounds() []float64 {
	if s.left {
		values := slices.Collect(maps.Keys(s.counts))
		s.least, s.most, s.left = slices.Min(values), slices.Max(values), false
	}
	return []float64{s.least, s.most}
}
