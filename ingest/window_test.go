package ingest

import (
	"strings"
	"testing"
	"time"

	"freshet/ingest/change"
)

func see(t *testing.T, s string) visibility {
	t.Helper()
	v, err := parseVisibility(s)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestVisibility(t *testing.T) {
	v := see(t, "100:110:102,105")
	for xid, want := range map[uint32]bool{99: true, 100: true, 102: false, 105: false, 109: true, 110: false, 111: false} {
		if v.sees(xid) != want {
			t.Errorf("sees(%d) is %t", xid, !want)
		}
	}
	// The ids of the server have an epoch above, and wrap below.
	v = see(t, "8589934590:8589934596:8589934593")
	for xid, want := range map[uint32]bool{0xfffffffe: true, 0: true, 1: false, 3: true, 4: false, 9: false} {
		if v.sees(xid) != want {
			t.Errorf("behind the wrap, sees(%d) is %t", xid, !want)
		}
	}
	for _, bad := range []string{"", "1:2", "a:2:", "1:b:", "1:2:c", "1:2:3:4"} {
		if _, err := parseVisibility(bad); err == nil {
			t.Errorf("%q parses", bad)
		}
	}
}

// TestWindow is pitfall 12 step by step: a change may come by in the stream before the chunk is read, even before it begins,
// and be invisible to it nonetheless.
func TestWindow(t *testing.T) {
	w := newWindow("public.t", false)
	w.advance(see(t, "100:100:"))
	w.note(90, []byte("seen by all"), true)
	w.note(100, []byte("commits, is streamed, is not visible yet"), true)
	w.note(101, []byte("visible by the time of the chunk"), true)
	w.note(101, []byte("first visible, then not"), true)
	w.note(103, []byte("first visible, then not"), true)
	w.note(100, []byte("without its large value"), false)
	chunk := see(t, "100:103:100")
	for key, want := range map[string][2]bool{
		"seen by all": {false, false}, "never touched": {false, false},
		"commits, is streamed, is not visible yet": {true, false},
		"visible by the time of the chunk":         {false, false},
		"first visible, then not":                  {true, false},
		"without its large value":                  {true, true},
	} {
		if stale, lacking := w.isStale(chunk, []byte(key)); stale != want[0] || lacking != want[1] {
			t.Errorf("%q: stale %t, lacking %t", key, stale, lacking)
		}
	}
	w.advance(chunk)
	if len(w.touched) != 3 {
		t.Errorf("%d keys are remembered, want the 3 that a later chunk may still miss: %v", len(w.touched), w.touched)
	}
	w.truncate(104)
	if stale, lacking := w.isStale(chunk, []byte("never touched")); !stale || lacking {
		t.Error("a row read before a truncate that the stream has told of is stale")
	}
	w.advance(see(t, "105:105:"))
	if len(w.touched) != 0 || w.emptied != nil {
		t.Errorf("what everybody sees is remembered: %v %v", w.touched, w.emptied)
	}
}

func TestOrders(t *testing.T) {
	now := time.Now()
	var o orders
	signal := func(kind, id string, tables ...string) error {
		var err error
		o, err = o.apply(Signal{Kind: kind, Order: Order{ID: id, Tables: tables}}, 77, now)
		return err
	}
	states := func() string {
		var s []string
		for i := range o {
			s = append(s, o[i].ID+" "+o[i].State)
		}
		return strings.Join(s, ", ")
	}
	steps := []struct {
		kind, id string
		tables   []string
		want     string
		refused  bool
	}{
		{"snapshot", "a", []string{"t"}, "a running", false},
		{"snapshot", "a", []string{"t"}, "a running", false}, // read twice after a crash
		{"repair", "", []string{"s.t", "u"}, "a running, 0/4D running", false},
		{"pause", "a", nil, "a paused, 0/4D running", false},
		{"resume", "b", nil, "a paused, 0/4D running", true},
		{"pause", "", nil, "a paused, 0/4D paused", false},
		{"resume", "a", nil, "a running, 0/4D paused", false},
		{"stop", "", nil, "a stopped, 0/4D stopped", false},
		{"resume", "a", nil, "a stopped, 0/4D stopped", true},
		{"snapshot", "c", nil, "a stopped, 0/4D stopped, c refused", true},
		{"dance", "", nil, "a stopped, 0/4D stopped, c refused", true},
	}
	for _, step := range steps {
		if err := signal(step.kind, step.id, step.tables...); (err != nil) != step.refused {
			t.Errorf("%s %s: %v", step.kind, step.id, err)
		}
		if got := states(); got != step.want {
			t.Fatalf("after %s %q: %s, want %s", step.kind, step.id, got, step.want)
		}
	}
	if s := o.find("0/4D"); !s.Sweep || s.Tables[0] != "s.t" || s.Tables[1] != "public.u" || s.Since != 77 {
		t.Errorf("a repair is %+v", s)
	}
	for _, id := range []string{"d", "e", "f", "g", "h"} {
		if err := signal("snapshot", id); err == nil {
			t.Error("no tables, no error")
		}
	}
	if len(o) != keepFinished || o[0].ID != "d" {
		t.Errorf("kept %s", states())
	}
}

func TestReadingQuery(t *testing.T) {
	pt := publishedTable{Schema: "public", Name: `t"x`, Filter: "a > 0"}
	r := reading{key: []string{"a", "B"}, from: []string{"1"}, after: []string{"3", `it's\`}, limit: 7}
	want := `copy (select  from only "public"."t""x" where (a > 0) and ("a") >= ('1') and ("a", "B") > ('3', 'it''s\') order by "a", "B" limit 7) to stdout`
	if got := r.query(pt); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	r = reading{key: []string{"a", "B"}, keys: [][]string{{"1", "x"}, {"2", "y"}}}
	want = `copy (select  from "public"."t""x" where (a > 0) and ("a", "B") in (('1', 'x'), ('2', 'y'))) to stdout`
	pt.Kind = "p"
	if got := r.query(pt); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if strings.Contains(strings.ToLower(want), "offset") {
		t.Error("pitfall 15")
	}
}

// TestAheadOfTheServer is pitfall 13: the stream ran ahead of a standby, which is promoted without what was published. That
// shows when ingest connects, and is refused instead of streamed over.
func TestAheadOfTheServer(t *testing.T) {
	config := &Config{Prefix: "p", Slot: "s", Publication: "f"}
	stored := &position{State: streaming, LSN: 500, SystemID: "1", Timeline: 1, Database: "d", Slot: "s", Publication: "f"}
	slot := &slotState{Plugin: "pgoutput", Database: "d", Confirmed: 400, WALStatus: "reserved"}
	for name, srv := range map[string]server{
		"log ends before":      {SystemID: "1", Timeline: 1, Database: "d", WAL: 450},
		"timeline left before": {SystemID: "1", Timeline: 2, Database: "d", WAL: 900, Switched: 450},
	} {
		if _, err := decide(config, stored, srv, slot, false); err == nil || !strings.Contains(err.Error(), "--resnapshot") {
			t.Errorf("%s: %v", name, err)
		}
	}
	ok := server{SystemID: "1", Timeline: 2, Database: "d", WAL: 900, Switched: change.LSN(500)}
	if choice, err := decide(config, stored, ok, slot, false); err != nil || choice != startStreaming {
		t.Errorf("a standby that had everything: %v %v", choice, err)
	}
}

// TestCutOffSnapshot: a first snapshot goes on where its slot is, and begins again where it is not.
func TestCutOffSnapshot(t *testing.T) {
	config := &Config{Prefix: "p", Slot: "s", Publication: "f"}
	srv := server{SystemID: "1", Timeline: 1, Database: "d", WAL: 900}
	slot := &slotState{Plugin: "pgoutput", Database: "d", Confirmed: 500, WALStatus: "reserved"}
	stored := position{State: snapshotting, LSN: 500, SystemID: "1", Timeline: 1, Database: "d", Slot: "s", Publication: "f", Remaining: []string{"public.t"}}
	unborn := stored
	unborn.LSN = 0
	for _, test := range []struct {
		name   string
		stored position
		slot   *slotState
		want   decision
	}{
		{"cut off", stored, slot, startStreaming},
		{"the slot is gone", stored, nil, startOver},
		{"the slot lost its log", stored, &slotState{Plugin: "pgoutput", Database: "d", Confirmed: 500, WALStatus: "lost"}, startOver},
		{"before the slot was there", unborn, nil, startOver},
		{"before its place was stored", unborn, slot, startOver},
	} {
		if got, err := decide(config, &test.stored, srv, test.slot, false); err != nil || got != test.want {
			t.Errorf("%s: %v %v, want %v", test.name, got, err, test.want)
		}
	}
}
