package ingest

import (
	"strconv"
	"time"

	"freshet/ingest/change"
)

// deadLetter is a row that could not be published: where it stands, what it was and why. It takes the form that the
// projectors give theirs, a record with headers, but has no value: Postgres still holds the row.
type deadLetter struct {
	topic     string
	partition int // -1 where it was not chosen yet
	position  []recordHeader
	key       []byte
	reason    string
	size      int // of the record in bytes, 0 where it is not known
}

func (d *deadLetter) record() record {
	headers := append([]recordHeader{}, d.position...)
	headers = append(headers,
		recordHeader{"dl_topic", []byte(d.topic)},
		recordHeader{"dl_partition", strconv.AppendInt(nil, int64(d.partition), 10)},
		recordHeader{"dl_stage", []byte("ingest")},
		recordHeader{"dl_reason", []byte(d.reason)},
		recordHeader{"dl_time", time.Now().UTC().AppendFormat(nil, time.RFC3339Nano)},
		recordHeader{"dl_truncated", []byte("true")})
	if d.size > 0 {
		headers = append(headers, recordHeader{"dl_size", strconv.AppendInt(nil, int64(d.size), 10)})
	}
	return record{key: d.key, headers: headers}
}

// positionHeaders picks the headers that say where a record stands.
func positionHeaders(headers []recordHeader) []recordHeader {
	var out []recordHeader
	for _, h := range headers {
		switch h.key {
		case change.HeaderCommitLSN, change.HeaderTxIndex, change.HeaderEventID:
			out = append(out, h)
		}
	}
	return out
}
