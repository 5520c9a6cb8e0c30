package change

import (
	"cmp"
	"fmt"
)

// LSN is a byte offset in the write-ahead log, printed the way Postgres prints it: "16/B374D848".
type LSN uint64

// String returns the LSN as Postgres writes it.
func (l LSN) String() string { return fmt.Sprintf("%X/%X", uint32(l>>32), uint32(l)) }

// ParseLSN reads the form that String writes.
func ParseLSN(s string) (LSN, error) {
	var hi, lo uint32
	var rest string
	if n, err := fmt.Sscanf(s+" ", "%X/%X%s", &hi, &lo, &rest); n != 2 {
		return 0, fmt.Errorf("parse LSN %q: want two hexadecimal numbers with a slash between: %w", s, err)
	}
	return LSN(hi)<<32 | LSN(lo), nil
}

// MarshalText makes an LSN readable in JSON and in logs.
func (l LSN) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

// UnmarshalText is the inverse of MarshalText.
func (l *LSN) UnmarshalText(b []byte) (err error) {
	*l, err = ParseLSN(string(b))
	return err
}

// Position orders every change that one slot ever delivers: the LSN of the commit record of its transaction, then its
// index in that transaction, counted from 1. A change's own LSN is no substitute: transactions interleave in the log, and
// the rows of one COPY share one.
//
// Rows of a snapshot carry the LSN one byte before the slot's consistent point and their ordinal in the snapshot, so that
// they stand after all that came before the slot and before all that streams from it.
type Position struct {
	Commit LSN    `bson:"c" json:"commit_lsn"`
	Index  uint64 `bson:"i" json:"tx_index"`
}

// Compare returns -1, 0 or +1 as p stands before, at or after q.
func (p Position) Compare(q Position) int {
	if c := cmp.Compare(p.Commit, q.Commit); c != 0 {
		return c
	}
	return cmp.Compare(p.Index, q.Index)
}

// After says whether p stands strictly after q.
func (p Position) After(q Position) bool { return p.Compare(q) > 0 }

// IsZero says whether p is the position before every change.
func (p Position) IsZero() bool { return p == Position{} }

// String returns "16/B374D848:3".
func (p Position) String() string { return fmt.Sprintf("%s:%d", p.Commit, p.Index) }
