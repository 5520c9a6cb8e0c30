package tree

import (
	"crypto/sha256"
	"encoding/binary"
	"sort"
)

// page is a home or a node on its way to its collection.
type page interface {
	// shrink leaves out the last n of what may be left out, cards first; it is called on the page as built.
	shrink(n int) page
	// content is what readers see of it, and blank the sheet for that.
	content() any
	blank() sheet
}

func (n Node) shrink(by int) page {
	n.LeftOut = by
	kept := max(0, len(n.Cards)-by)
	by -= len(n.Cards) - kept
	n.Cards = n.Cards[:kept]
	kept = max(0, len(n.Facets)-by)
	by -= len(n.Facets) - kept
	n.Facets = n.Facets[:kept]
	n.Children = n.Children[:max(0, len(n.Children)-by)]
	return n
}

// shrink takes the cards of the last sections first, then sections from the end.
func (h Home) shrink(by int) page {
	h.LeftOut = by
	sections := append([]Section{}, h.Categories...)
	for i := len(sections) - 1; i >= 0 && by > 0; i-- {
		kept := max(0, len(sections[i].Cards)-by)
		by -= len(sections[i].Cards) - kept
		sections[i].Cards = sections[i].Cards[:kept]
	}
	h.Categories = sections[:max(0, len(sections)-by)]
	return h
}

// sealed fits a page into its cap and returns its sheet with the hash of its content, which is above 0, and says how much
// was left out. All three depend on the content alone.
func sealed(p page, limit, parts int) (sheet, int, error) {
	s, err := filled(p)
	if err != nil {
		return sheet{}, 0, err
	}
	limit -= sheetOverhead
	dropped := 0
	if len(s.Page) > limit {
		dropped = sort.Search(parts, func(n int) bool {
			smaller, e := filled(p.shrink(n))
			if e != nil {
				err = e
			}
			return len(smaller.Page) <= limit
		})
		if err != nil {
			return sheet{}, 0, err
		}
		if s, err = filled(p.shrink(dropped)); err != nil {
			return sheet{}, 0, err
		}
	}
	sum := sha256.Sum256([]byte(s.Page))
	s.Hash = int64(max(1, binary.BigEndian.Uint64(sum[:8])>>1))
	return s, dropped, nil
}

func (n Node) parts() int { return len(n.Cards) + len(n.Facets) + len(n.Children) }

func (h Home) parts() int {
	n := len(h.Categories)
	for _, s := range h.Categories {
		n += len(s.Cards)
	}
	return n
}
