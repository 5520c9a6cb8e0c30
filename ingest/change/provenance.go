package change

import "time"

// Provenance says how fresh a document is: the newest change folded into it. It is information for readers, never a
// version: documents are ordered by their revisions.
type Provenance struct {
	Position Position  `bson:"position" json:"position"`
	Time     time.Time `bson:"time" json:"time"` // commit time of that change
}

// Newest returns the later of the two by position.
func (p Provenance) Newest(q Provenance) Provenance {
	if q.Position.After(p.Position) {
		return q
	}
	return p
}
