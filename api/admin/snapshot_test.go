package admin_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"testing"

	"freshet/api/admin"
	"freshet/ingest"
)

// line stands for the way to ingest: it keeps what is sent and tells of one snapshot.
type line struct {
	sent []ingest.Signal
	down error
}

func (l *line) Send(_ context.Context, signal ingest.Signal) error {
	l.sent = append(l.sent, signal)
	return l.down
}

func (l *line) Snapshots(context.Context) ([]ingest.Snapshot, error) {
	return []ingest.Snapshot{
		{Order: ingest.Order{ID: "on", Tables: []string{"public.prices"}, Rate: 10}, State: ingest.SnapshotRunning, Cursor: []string{"3"}, Rows: 70, Total: 100},
		{Order: ingest.Order{ID: "off", Tables: []string{"public.prices"}}, State: ingest.SnapshotRefused, Reason: "no key"},
	}, nil
}

func TestSnapshots(t *testing.T) {
	l := &line{}
	d := newDesk(t, l)
	var list admin.Snapshots
	d.want(http.StatusOK, &list, "GET", "/admin/v1/snapshots")
	if len(list.Snapshots) != 2 || list.Snapshots[0].Rows != 70 || list.Snapshots[1].Reason != "no key" {
		t.Errorf("%+v", list)
	}
	status, body := d.request("POST", "/admin/v1/snapshots", `{"tables": ["prices"], "keys": [["1", "a"]], "sweep": true}`, "Content-Type", "application/json")
	var ordered admin.Ordered
	if err := json.Unmarshal(body, &ordered); err != nil || status != http.StatusAccepted || ordered.ID == "" {
		t.Fatalf("%d %s %v", status, body, err)
	}
	if sent := l.sent[0]; sent.Kind != "snapshot" || sent.ID != ordered.ID || !sent.Sweep || !slices.Equal(sent.Tables, []string{"prices"}) || len(sent.Keys) != 1 {
		t.Errorf("sent %+v", sent)
	}
	for _, bad := range []string{`{}`, `{"tables": ["a", "b"], "from": ["1"]}`, `{"tables": ["a"], "rate": -1}`, `{"table": "a"}`, `[]`} {
		if status, body := d.request("POST", "/admin/v1/snapshots", bad, "Content-Type", "application/json"); status < 400 || status > 499 {
			t.Errorf("%s: %d %s", bad, status, body)
		}
	}
	for _, kind := range []string{"pause", "resume", "stop"} {
		d.want(http.StatusAccepted, &ordered, "POST", "/admin/v1/snapshots/on/"+kind)
		if sent := l.sent[len(l.sent)-1]; sent.Kind != kind || sent.ID != "on" {
			t.Errorf("sent %+v", sent)
		}
		d.want(http.StatusNotFound, nil, "POST", "/admin/v1/snapshots/off/"+kind)
	}
	l.down = errors.New("cut")
	d.want(http.StatusServiceUnavailable, nil, "POST", "/admin/v1/snapshots/on/pause")
}
