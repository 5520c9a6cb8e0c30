package change

import (
	"encoding/json"
	"fmt"
	"time"
)

// Progress is a record of the progress topic: the stage (or one partition's worker of it) has durably finished every
// transaction whose commit record ends at or before LSN (a Position is one of those if its Commit is less than LSN; what
// pg_current_wal_insert_lsn() says after a commit is one if it is not more than LSN), and by then its output topics had reached Ends. It is how a reader turns an LSN into
// offsets: whoever has consumed its inputs up to Ends has seen everything up to LSN.
//
// Ends may leave out partitions that did not move since the same stage's previous record; a record with Full set names
// every one.
//
// Offsets are those of one topic. When it is deleted and made again under its name, IDs tells which of the two is meant:
// whoever reads another topic than that has nothing to do with the end.
type Progress struct {
	Stage     string `json:"stage"`     // "ingest", "offer", "catalog", "tree", "index" …
	Partition int    `json:"partition"` // of the stage's inputs; 0 for ingest
	// Partitions is how many partitions the stage has: it has finished an LSN when all of them have. 0 means 1.
	Partitions int                `json:"partitions,omitempty"`
	LSN        LSN                `json:"lsn"`
	Time       time.Time          `json:"time"` // commit time of the newest transaction at or before LSN, or the server's clock when idle
	Full       bool               `json:"full,omitempty"`
	Ends       map[string][]int64 `json:"ends,omitempty"` // topic -> next offset per partition; -1 where it did not move
	IDs        map[string]string  `json:"ids,omitempty"`  // topic -> Kafka's id of it, of those in Ends whose id is known
}

// Encode returns the record's key (stage and partition) and value.
func (p Progress) Encode() (key, value []byte, err error) {
	value, err = json.Marshal(p)
	if err != nil {
		return nil, nil, fmt.Errorf("encode progress of %s: %w", p.Stage, err)
	}
	return fmt.Appendf(nil, "%s/%d", p.Stage, p.Partition), value, nil
}

// DecodeProgress is the inverse of Encode.
func DecodeProgress(value []byte) (Progress, error) {
	var p Progress
	if err := json.Unmarshal(value, &p); err != nil {
		return Progress{}, fmt.Errorf("%w: progress: %w", ErrMalformed, err)
	}
	return p, nil
}
