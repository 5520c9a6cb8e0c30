package tree

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"sort"

	"go.mongodb.org/mongo-driver/v2/bson"

	"freshet/ingest/change"
)

// page is a home or a node on its way to its collection.
type page interface {
	// shrink leaves out the last n of what may be left out, cards first; it is called on the page as built.
	shrink(n int) page
	// stamped is the page as it is stored.
	stamped(ver, hash int64, source change.Provenance) page
}

func (n Node) stamped(ver, hash int64, source change.Provenance) page {
	n.Ver, n.Hash, n.Source = ver, hash, source
	return n
}

func (n Node) shrink(by int) page {
	n.LeftOut = by
	kept := max(0, len(n.Cards)-by)
	by -= len(n.Cards) - kept
	n.Cards = n.Cards[:kept]
	n.Children = n.Children[:max(0, len(n.Children)-by)]
	return n
}

func (h Home) stamped(ver, hash int64, source change.Provenance) page {
	h.Ver, h.Hash, h.Source = ver, hash, source
	return h
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

// sealed fits a page into its cap and returns it with the hash of its content, which is above 0, and says how much was
// left out. All three depend on the content alone.
func sealed(p page, limit, parts int) (page, int64, int, error) {
	raw, err := bson.Marshal(p)
	if err != nil {
		return nil, 0, 0, fmt.Errorf("encode page: %w", err)
	}
	dropped := 0
	if len(raw) > limit {
		dropped = sort.Search(parts, func(n int) bool {
			b, e := bson.Marshal(p.shrink(n))
			if e != nil {
				err = e
			}
			return len(b) <= limit
		})
		p = p.shrink(dropped)
		if raw, err = bson.Marshal(p); err != nil {
			return nil, 0, 0, fmt.Errorf("encode page within its cap: %w", err)
		}
	}
	sum := sha256.Sum256(raw)
	return p, int64(max(1, binary.BigEndian.Uint64(sum[:8])>>1)), dropped, nil
}

func (n Node) parts() int { return len(n.Cards) + len(n.Children) }

func (h Home) parts() int {
	n := len(h.Categories)
	for _, s := range h.Categories {
		n += len(s.Cards)
	}
	return n
}
