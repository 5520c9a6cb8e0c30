package tree

import (
	"testing"
	"time"

	"freshet/ingest/change"
)

// The hash is of what readers see: not of when and by whom it was written.
func TestHashIsOfContent(t *testing.T) {
	node := Node{ID: "7:1:it", Name: "Pasta", Count: 3}
	hash := func(n Node) int64 {
		t.Helper()
		docs, _, err := sealed(n, NodeCap)
		if err != nil {
			t.Fatal(err)
		}
		return docs[0].Hash
	}
	before := hash(node)
	node.Ver, node.Source = 7, change.Provenance{Time: time.Now()}
	if hash(node) != before {
		t.Error("equal content has two hashes")
	}
	node.Count++
	if hash(node) == before {
		t.Error("other content has the same hash")
	}
}

func TestKeys(t *testing.T) {
	for _, k := range []key{{0, "it", 1}, {11, "de", 1}, {0, "it", 2}, {11, "de", 30}} {
		got, err := parseKey(k.id(7))
		if err != nil || got != k {
			t.Errorf("%v became %q and then %v: %v", k, k.id(7), got, err)
		}
	}
	for _, id := range []string{"", "7", "7:x:it", "7:1:it:more", "7:it#", "7:it#1", "7:1:it#x", "7:1:it#2#3"} {
		if k, err := parseKey(id); err == nil {
			t.Errorf("%q was read as %v", id, k)
		}
	}
}
