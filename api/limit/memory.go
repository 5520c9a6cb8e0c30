package limit

import (
	"context"
	"hash/maphash"
	"slices"
	"sync/atomic"
	"time"
)

// slots is how many keys are told apart. The table never grows, whatever keys come; two keys that share a slot share its
// allowance, and the seed keeps an attacker from choosing whose.
const slots = 1 << 14

// Memory limits within this process.
type Memory struct {
	seed  maphash.Seed
	slots [slots]atomic.Int64
	each  time.Duration
	ahead time.Duration
	now   func() time.Time
}

// NewMemory returns a Memory by a rate that Check finds good.
func NewMemory(r Rate) *Memory {
	return &Memory{seed: maphash.MakeSeed(), each: r.each(), ahead: r.ahead(), now: time.Now}
}

// Take reports whether all the keys may go on, and if not, after how long it makes sense to ask again. When one may not,
// none of them has paid.
func (m *Memory) Take(_ context.Context, keys ...string) (wait time.Duration, ok bool) {
	// Keys of one request that share a slot pay once: with a burst of 1 they could otherwise never go on together.
	at := make([]uint64, 0, len(keys))
	for _, key := range keys {
		at = append(at, m.slot(key))
	}
	slices.Sort(at)
	at = slices.Compact(at)
	for i, slot := range at {
		if wait, ok = m.take(&m.slots[slot]); !ok {
			for _, paid := range at[:i] {
				m.slots[paid].Add(-int64(m.each))
			}
			return wait, false
		}
	}
	return 0, true
}

func (m *Memory) take(slot *atomic.Int64) (wait time.Duration, ok bool) {
	for {
		now, full := m.now().UnixNano(), slot.Load()
		next := max(now, full) + int64(m.each)
		if ahead := time.Duration(next - now); ahead > m.ahead {
			return ahead - m.ahead, false
		}
		if slot.CompareAndSwap(full, next) {
			return 0, true
		}
	}
}

func (m *Memory) slot(key string) uint64 { return maphash.String(m.seed, key) % slots }
