package explain

import (
	"testing"

	"freshet/ingest/change"
)

// TestNowhere: a product is unknown only where every hop was looked at and none has a trace of it.
func TestNowhere(t *testing.T) {
	status := "draft"
	for name, c := range map[string]struct {
		status *string
		hops   []Hop
		want   bool
	}{
		"never there":                 {nil, []Hop{{Hop: "postgres"}, {Hop: "topic"}, {Hop: "product"}, {Hop: "home", Found: true}}, true},
		"a row":                       {&status, []Hop{{Hop: "postgres"}}, false},
		"a record of its delete":      {nil, []Hop{{Hop: "postgres"}, {Hop: "topic", Found: true}}, false},
		"a document, be it tombstone": {nil, []Hop{{Hop: "postgres"}, {Hop: "topic"}, {Hop: "product", Found: true}}, false},
		"a parked record":             {nil, []Hop{{Hop: "postgres"}, {Hop: "deadletter", Found: true}}, false},
		"not all could be looked at":  {nil, []Hop{{Hop: "postgres"}, {Hop: "unreachable", Findings: []Finding{{Kind: Unreachable}}}}, false},
	} {
		made := &tour{rows: &rows{status: c.status}}
		made.Hops = c.hops
		if got := made.nowhere(); got != c.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}

// TestUnread: a stage has handled what it has passed, though it commits that only a moment later.
func TestUnread(t *testing.T) {
	at := func(commit change.LSN) *change.Position { return &change.Position{Commit: commit} }
	for name, c := range map[string]struct {
		stage             string
		committed, offset int64
		at                *change.Position
		want              bool
	}{
		"committed":                        {"index", 8, 7, at(50), false},
		"passed, and not committed yet":    {"tree", 7, 7, at(50), false},
		"newer than what the stage passed": {"tree", 7, 7, at(51), true},
		"of no position":                   {"tree", 7, 7, nil, true},
		"not passed":                       {"index", 7, 7, at(50), true},
	} {
		made := &tour{rows: &rows{at: 50}, passed: map[string]bool{"tree": true}}
		if got := made.unread(c.stage, c.committed, c.offset, c.at); got != c.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}
