package alert_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"freshet/projectors"
	"freshet/projectors/alert"
)

// told is what is published of alarms; it breaks off, once it has published, as often as it is told to.
type told struct {
	alarms []alert.Alarm
	fails  int
}

func (p *told) Publish(_ context.Context, messages []projectors.Message) (map[string][]int64, error) {
	for _, m := range messages {
		var a alert.Alarm
		if err := json.Unmarshal(m.Value, &a); err != nil {
			return nil, err
		}
		p.alarms = append(p.alarms, a)
	}
	if p.fails > 0 {
		p.fails--
		return nil, errCut
	}
	return nil, nil
}

func TestAnAlarmIsRaisedOnceAndClearedOnce(t *testing.T) {
	out := &told{fails: 1}
	alarms := alert.NewAlarms(database(t), out, "test")
	if err := alarms.EnsureIndexes(t.Context()); err != nil {
		t.Fatal(err)
	}
	now := time.Unix(1_800_000_000, 0)
	look := func(store int64, findings ...alert.Finding) error {
		now = now.Add(time.Second)
		return alarms.Look(t.Context(), store, findings, now)
	}
	ledger, drift := alert.Finding{Kind: "stock", Key: "3:A", Detail: "one too many"}, alert.Finding{Kind: "node", Key: "3:7:it"}
	if err := look(3, ledger, drift); !errors.Is(err, errCut) {
		t.Fatalf("a publication that breaks off: %v", err)
	}
	for range 2 {
		if err := look(3, ledger, drift); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(out.alarms); n != 4 || out.alarms[0].Raised != out.alarms[2].Raised || out.alarms[0].ID != out.alarms[2].ID {
		t.Fatalf("published %+v, want two alarms, twice for the broken publication", out.alarms)
	}
	if err := look(4); err != nil { // another store clears nothing of this one
		t.Fatal(err)
	}
	if standing, err := alarms.Standing(t.Context(), 10); err != nil || len(standing) != 2 {
		t.Fatalf("%+v stand, %v", standing, err)
	}
	for range 2 {
		if err := look(3, drift); err != nil {
			t.Fatal(err)
		}
	}
	if standing, err := alarms.Standing(t.Context(), 10); err != nil || len(standing) != 1 || standing[0].Kind != "node" {
		t.Fatalf("%+v stand, %v", standing, err)
	}
	if err := look(3, ledger, drift); err != nil {
		t.Fatal(err)
	}
	if n := len(out.alarms); n != 6 || out.alarms[4].Cleared == 0 || out.alarms[5].Cleared != 0 || out.alarms[5].Raised <= out.alarms[4].Raised {
		t.Errorf("published %+v, want the ledger's alarm cleared and raised anew", out.alarms)
	}
}

// TestManyFindingsAreFewAlarms: what there is no room for is not cleared when there is.
func TestManyFindingsAreFewAlarms(t *testing.T) {
	out := &told{}
	alarms := alert.NewAlarms(database(t), out, "test")
	var findings []alert.Finding
	for i := range 150 {
		findings = append(findings, alert.Finding{Kind: "offer", Key: fmt.Sprintf("3:%03d", 100+i)})
	}
	if err := alarms.Look(t.Context(), 3, findings, time.Now()); err != nil || len(out.alarms) != 100 {
		t.Fatalf("%d alarms of 150 findings, %v", len(out.alarms), err)
	}
	// Fifty that sort before the others push as many of the alarms beyond the bound, and these still stand.
	for i := range 50 {
		findings = append(findings, alert.Finding{Kind: "offer", Key: fmt.Sprintf("3:%03d", i)})
	}
	if err := alarms.Look(t.Context(), 3, findings, time.Now()); err != nil || len(out.alarms) != 150 {
		t.Fatalf("%d published, %v: want fifty more and none cleared", len(out.alarms), err)
	}
}
