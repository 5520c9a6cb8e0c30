package order

import (
	"cmp"
	"slices"
)

// section is what the fold needs of a section of a list.
type section interface {
	key() int64
	mark() *Mark
	texts() []*Text
}

func (m *Mark) mark() *Mark { return m }

func (r *Row) texts() []*Text { return []*Text{&r.Reason} }

func (l *Line) key() int64     { return l.Line }
func (l *Line) texts() []*Text { return []*Text{&l.Reason} }

func (p *Payment) key() int64     { return p.ID }
func (p *Payment) texts() []*Text { return []*Text{&p.Reference} }

func (s *Shipment) key() int64     { return s.ID }
func (s *Shipment) texts() []*Text { return []*Text{&s.Carrier, &s.Tracking} }

func (s *Scan) key() int64     { return s.ID }
func (s *Scan) texts() []*Text { return []*Text{&s.Status, &s.Place} }

func (r *Return) key() int64     { return r.ID }
func (r *Return) texts() []*Text { return []*Text{&r.Reason, &r.Note} }

func (r *Refund) key() int64     { return r.ID }
func (r *Refund) texts() []*Text { return []*Text{&r.Reason} }

// put merges a section into the list, which is sorted by key, and says whether that changed anything.
func put[S any, P interface {
	*S
	section
}](list *[]S, fresh S) bool {
	i, found := slices.BinarySearchFunc(*list, P(&fresh).key(), func(s S, k int64) int { return cmp.Compare(P(&s).key(), k) })
	if !found {
		*list = slices.Insert(*list, i, fresh)
		return true
	}
	return merge[S, P](&(*list)[i], fresh)
}

// merge takes the later of two sections, and of each text the later one that the log held: an update that left a text out
// and is applied first must not hide it from the older row that has it.
func merge[S any, P interface {
	*S
	mark() *Mark
	texts() []*Text
}](old *S, fresh S) bool {
	changed := false
	held, given := P(old).texts(), P(&fresh).texts()
	for i := range held {
		if given[i].Pos.After(held[i].Pos) {
			*held[i], changed = *given[i], true
		} else {
			*given[i] = *held[i]
		}
	}
	if P(&fresh).mark().Pos.After(P(old).mark().Pos) {
		*old, changed = fresh, true
	}
	return changed
}
