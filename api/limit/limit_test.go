package limit

import (
	"math"
	"strconv"
	"testing"
	"time"
)

func TestRatesThatCanBeKept(t *testing.T) {
	for _, c := range []struct {
		rate Rate
		good bool
	}{
		{Rate{50, 100}, true},
		{Rate{0.1, 10}, true},
		{Rate{1e6, 1}, true},
		{Rate{slowest, 1}, true},
		{Rate{0, 1}, false},
		{Rate{-1, 1}, false},
		{Rate{math.NaN(), 1}, false},
		{Rate{math.Inf(1), 1}, false},
		{Rate{2e6, 1}, false},
		{Rate{slowest, 1000}, false},
		{Rate{1, 0}, false},
	} {
		if err := c.rate.Check(); (err == nil) != c.good {
			t.Errorf("%+v: %v", c.rate, err)
		}
	}
}

// apart returns n keys that have slots of their own.
func apart(m *Memory, n int) (keys []string) {
	taken := map[uint64]bool{}
	for key := "a"; len(keys) < n; key += "a" {
		if slot := m.slot(key); !taken[slot] {
			taken[slot] = true
			keys = append(keys, key)
		}
	}
	return keys
}

func TestMemoryHoldsAKeyAndNotTheOthers(t *testing.T) {
	m := NewMemory(Rate{PerSecond: 10, Burst: 3})
	now := time.Unix(1000, 0)
	m.now = func() time.Time { return now }
	keys := apart(m, 2)
	for i := range 3 {
		if _, ok := m.Take(t.Context(), keys[0]); !ok {
			t.Fatalf("request %d of the burst was refused", i)
		}
	}
	if wait, ok := m.Take(t.Context(), keys[0]); ok || wait != 100*time.Millisecond {
		t.Errorf("after the burst: %v %v, want to wait 100ms", wait, ok)
	}
	if _, ok := m.Take(t.Context(), keys[1]); !ok {
		t.Error("another key was refused")
	}
	now = now.Add(100 * time.Millisecond)
	if _, ok := m.Take(t.Context(), keys[0]); !ok {
		t.Error("refused after the wait")
	}
}

// TestTogetherInOneSlot: two keys of one request that share a slot pay once, or with a burst of 1 they never could go on.
func TestTogetherInOneSlot(t *testing.T) {
	m := NewMemory(Rate{PerSecond: 1, Burst: 1})
	twin := "0"
	for i := 1; m.slot(twin) != m.slot("a"); i++ {
		twin = strconv.Itoa(i)
	}
	if _, ok := m.Take(t.Context(), "a", twin); !ok {
		t.Error("refused")
	}
}
