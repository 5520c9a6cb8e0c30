package ingest

import (
	"encoding/json"
	"fmt"
	"time"

	"freshet/ingest/change"
)

// deadLetter is the record of a row that could not be published: where it stands, what it was and why.
type deadLetter struct {
	Stage     string    `json:"stage"`
	Topic     string    `json:"topic"`
	Partition int       `json:"partition"`
	CommitLSN string    `json:"commit_lsn"`
	TxIndex   string    `json:"tx_index"`
	Key       string    `json:"key"`
	Reason    string    `json:"reason"`
	Size      int       `json:"size,omitempty"` // of the value, which is not kept: Postgres still has the row
	Time      time.Time `json:"time"`
}

func (d deadLetter) record() (record, error) {
	d.Stage, d.Time = "ingest", time.Now().UTC()
	value, err := json.Marshal(d)
	if err != nil {
		return record{}, fmt.Errorf("encode a dead letter: %w", err)
	}
	return record{key: []byte(d.Topic), value: value, headers: []recordHeader{
		{change.HeaderCommitLSN, []byte(d.CommitLSN)}, {change.HeaderTxIndex, []byte(d.TxIndex)},
	}}, nil
}
