package search

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
)

// errAnswer is wrapped by errors about answers that make no sense; asking again would not help.
var errAnswer = errors.New("unexpected answer of a bulk request")

// action is the line before a document. It is encoded as JSON: the quoting of Go's strconv writes control characters in a
// way that JSON does not know.
type action struct {
	Index struct {
		Alias       string `json:"_index"`
		ID          string `json:"_id"`
		Routing     string `json:"routing"`
		Version     int64  `json:"version"`
		VersionType string `json:"version_type"`
	} `json:"index"`
}

// encodeOps writes the leading operations of todo that fit into limit bytes, at least one, and says how many it took. One
// whose document is not JSON is refused here and left out: it would break the lines of all others.
func encodeOps(buf *bytes.Buffer, ops []Op, todo []int, results []OpResult, limit int) int {
	buf.Reset()
	for n, i := range todo {
		before := buf.Len()
		if err := encodeOp(buf, &ops[i]); err != nil {
			buf.Truncate(before)
			results[i] = OpResult{Refused, err}
			continue
		}
		if buf.Len() > limit && before > 0 {
			buf.Truncate(before)
			return n
		}
	}
	return len(todo)
}

// encodeOp refuses what makes the server refuse the whole request.
func encodeOp(buf *bytes.Buffer, op *Op) error {
	if op.Version <= 0 || op.ID == "" || len(op.ID) > 512 {
		return fmt.Errorf("document %q of version %d: want an id of 1 to 512 bytes and a positive version", op.ID, op.Version)
	}
	var a action
	a.Index.Alias, a.Index.ID, a.Index.Routing = op.Alias, op.ID, op.Routing
	a.Index.Version, a.Index.VersionType = op.Version, "external"
	if op.Overwrite {
		a.Index.VersionType = "external_gte"
	}
	meta, err := json.Marshal(a)
	if err != nil {
		return fmt.Errorf("encode action of %s: %w", op.ID, err)
	}
	buf.Write(meta)
	buf.WriteByte('\n')
	if err := json.Compact(buf, op.Body); err != nil {
		return fmt.Errorf("encode document %s: %w", op.ID, err)
	}
	buf.WriteByte('\n')
	return nil
}

// bulkAnswer is the part of the answer that we ask for.
type bulkAnswer struct {
	Items []struct {
		Index bulkItem `json:"index"`
	} `json:"items"`
}

type bulkItem struct {
	Index  string `json:"_index"`
	Status int    `json:"status"`
	Error  struct {
		Type     string          `json:"type"`
		Reason   string          `json:"reason"`
		CausedBy json.RawMessage `json:"caused_by"`
	} `json:"error"`
}

// require_alias keeps a missing index missing: without it the server makes one, with fields it guesses.
const bulkPath = "/_bulk?require_alias=true&filter_path=items.index._index,items.index.status,items.index.error"

// send makes one request of the sent operations and notes their results. It returns those to send again. After an error
// that is all of them.
func (w *Writer) send(ctx context.Context, body []byte, ops []Op, sent []int, results []OpResult) ([]int, error) {
	live := make([]int, 0, len(sent))
	for _, i := range sent {
		if results[i].Outcome == 0 {
			live = append(live, i)
		}
	}
	if len(live) == 0 {
		return nil, nil
	}
	w.requests.Add(1)
	w.bytes.Add(int64(len(body)))
	reqCtx, cancel := context.WithTimeout(ctx, w.cfg.Timeout)
	defer cancel()
	var answer bulkAnswer
	if err := w.client.do(reqCtx, http.MethodPost, bulkPath, "application/x-ndjson", body, &answer); err != nil {
		return tooLarge(live, err, results)
	}
	if len(answer.Items) != len(live) {
		return live, fmt.Errorf("%w: %d results for %d operations", errAnswer, len(answer.Items), len(live))
	}
	var again []int
	for n, i := range live {
		retry, err := judge(&answer.Items[n].Index, &ops[i], &results[i])
		if err != nil {
			return live[n:], err
		}
		if retry {
			again = append(again, i)
		}
	}
	return again, nil
}

// tooLarge refuses a document that is too large for the server even alone; every other failure stays one.
func tooLarge(live []int, err error, results []OpResult) ([]int, error) {
	var status *statusError
	if len(live) == 1 && errors.As(err, &status) && status.Status == http.StatusRequestEntityTooLarge {
		results[live[0]] = OpResult{Refused, err}
		return nil, nil
	}
	return live, err
}

// judge turns an item's status into a result, a retry, or an error that ends the write.
func judge(item *bulkItem, op *Op, result *OpResult) (retry bool, err error) {
	switch {
	case item.Status >= 200 && item.Status < 300:
		*result = OpResult{Outcome: Written}
		return false, nil
	case item.Status == http.StatusConflict:
		*result = OpResult{Outcome: Stale}
		return false, nil
	case PassingStatus(item.Status):
		return true, nil
	}
	reason := fmt.Errorf("index %s into %s: %s: %s%s", op.ID, op.Alias, item.Error.Type, item.Error.Reason, cause(item.Error.CausedBy))
	switch {
	case item.Status == http.StatusNotFound:
		return false, fmt.Errorf("%w: %w", ErrIndexMissing, reason)
	case item.Status == http.StatusBadRequest && ofDocument(item, op):
		*result = OpResult{Refused, reason}
		return false, nil
	case item.Status == http.StatusRequestEntityTooLarge:
		*result = OpResult{Refused, reason}
		return false, nil
	}
	return false, reason
}

// ofDocument says whether a 400 is the document's fault. A closed index or an alias without a write index answers 400 too;
// those items name the alias, since no index was reached, and are no reason to park documents.
func ofDocument(item *bulkItem, op *Op) bool {
	switch {
	case strings.Contains(item.Error.Type, "parsing_exception"), item.Error.Type == "strict_dynamic_mapping_exception":
		return true
	case item.Error.Type == "index_closed_exception":
		return false
	}
	return item.Index != op.Alias
}

// cause is the innermost reason of an item's error, where it says more.
func cause(raw json.RawMessage) string {
	var c struct {
		Reason   string          `json:"reason"`
		CausedBy json.RawMessage `json:"caused_by"`
	}
	if len(raw) == 0 || json.Unmarshal(raw, &c) != nil || c.Reason == "" {
		return ""
	}
	if deeper := cause(c.CausedBy); deeper != "" {
		return deeper
	}
	return ": " + c.Reason
}
