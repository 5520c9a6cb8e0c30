package tree

import (
	"crypto/sha256"
	"encoding/binary"
)

// page is a home or a node on its way to its collection.
type page interface {
	// content is what readers see of it, and blank the sheet for that.
	content() any
	blank() sheet
	// listed is how many sections or children it lists, and most how many of them a part does.
	listed() int
	most() int
	// split cuts it into parts whose content takes at most so many bytes, and says how many entries don't go into any.
	split(limit int) (parts []page, left int, err error)
}

// sealed fits a page into one sheet, or into several of which none is above its cap, with the hash of each one's content,
// which is above 0. They depend on the content alone. It says how many entries are left out since they are larger than a
// part by themselves, which the tables' constraints rule out.
func sealed(p page, limit int) (sheets []sheet, left int, err error) {
	limit -= sheetOverhead
	s, err := filled(p)
	if err != nil {
		return nil, 0, err
	}
	if len(s.Page) <= limit && p.listed() <= p.most() {
		return []sheet{hashed(s)}, 0, nil
	}
	parts, left, err := p.split(limit)
	if err != nil {
		return nil, 0, err
	}
	for _, part := range parts {
		if s, err = filled(part); err != nil {
			return nil, 0, err
		}
		sheets = append(sheets, hashed(s))
	}
	return sheets, left, nil
}

func hashed(s sheet) sheet {
	sum := sha256.Sum256([]byte(s.Page))
	s.Hash = int64(max(1, binary.BigEndian.Uint64(sum[:8])>>1))
	return s
}
