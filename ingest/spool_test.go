package ingest

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

func newTestSpool(t testing.TB, limit int64) *spool {
	t.Helper()
	m, err := newMetrics(prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	p := newSpool(&Config{SpillDir: t.TempDir(), Slot: "test", StreamBytes: limit}, m)
	t.Cleanup(func() {
		if err := p.close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

func (t *spooled) texts(tb testing.TB, p *spool) []string {
	tb.Helper()
	var out []string
	err := t.replay(p, func(mark uint64, payload []byte) error {
		out = append(out, fmt.Sprintf("%d %s", mark, payload))
		return nil
	})
	if err != nil {
		tb.Fatal(err)
	}
	return out
}

// TestSpool plays random transactions with nested savepoints against a plain list, in memory and spilled.
func TestSpool(t *testing.T) {
	for _, limit := range []int64{chunkSize, 2 * chunkSize, 1 << 40} {
		t.Run(fmt.Sprint(limit), func(t *testing.T) {
			seed := rand.Uint64()
			t.Logf("seed %d", seed)
			random := rand.New(rand.NewPCG(seed, 1))
			p := newTestSpool(t, limit)
			for xid := uint32(1000); xid < 60000; xid += 10000 {
				runSpooled(t, p, random, xid)
			}
			if p.used != 0 || len(p.txs) != 0 {
				t.Errorf("%d bytes and %d transactions are left", p.used, len(p.txs))
			}
			if names, err := os.ReadDir(p.dir); err != nil || len(names) > 0 {
				t.Errorf("files are left: %v %v", names, err)
			}
		})
	}
}

// runSpooled opens, releases and rolls back savepoints at random, and compares what the spool gives back.
func runSpooled(t *testing.T, p *spool, random *rand.Rand, xid uint32) {
	t.Helper()
	type open struct {
		xid   uint32
		start int
	}
	tx := p.open(xid)
	next := xid
	stack := []open{{xid, 0}}
	var want []string
	released := map[uint32][]uint32{} // by the subtransaction they became part of
	for i := range 3000 {
		top := &stack[len(stack)-1]
		switch random.IntN(12) {
		case 0:
			next++
			stack = append(stack, open{next, len(want)})
		case 1:
			if len(stack) > 1 {
				below := stack[len(stack)-2].xid
				released[below] = append(released[below], append(released[top.xid], top.xid)...)
				stack = stack[:len(stack)-1]
			}
		case 2:
			if len(stack) > 1 {
				for _, sub := range append(released[top.xid], top.xid) { // the order of an abort record
					if err := p.abort(tx, sub); err != nil {
						t.Fatal(err)
					}
				}
				want = want[:top.start]
				stack = stack[:len(stack)-1]
			}
		default:
			payload := bytes.Repeat([]byte{byte('a' + i%26)}, random.IntN(2000))
			if random.IntN(500) == 0 {
				payload = bytes.Repeat(payload, 400) // larger than a chunk
			}
			if err := p.append(tx, top.xid, uint64(i), payload); err != nil {
				t.Fatal(err)
			}
			want = append(want, fmt.Sprintf("%d %s", i, payload))
		}
	}
	if got := tx.texts(t, p); !slices.Equal(got, want) {
		t.Fatalf("transaction %d: %d messages came back, %d went in", xid, len(got), len(want))
	}
	if err := p.drop(tx); err != nil {
		t.Fatal(err)
	}
}

// TestSpoolIsBounded fills many transactions at once: the largest go to disk, and memory stays at the limit.
func TestSpoolIsBounded(t *testing.T) {
	const limit = 4 * chunkSize
	p := newTestSpool(t, limit)
	payload := make([]byte, 1000)
	for i := range 20_000 {
		xid := uint32(i % 3)
		tx := p.txs[xid]
		if tx == nil {
			tx = p.open(xid)
		}
		if err := p.append(tx, xid, 1, payload); err != nil {
			t.Fatal(err)
		}
		if p.used > limit {
			t.Fatalf("%d bytes in memory, the limit is %d", p.used, limit)
		}
	}
	for xid := range uint32(3) {
		if n := len(p.txs[xid].texts(t, p)); n < 6666 {
			t.Errorf("transaction %d: %d messages", xid, n)
		}
	}
}

// TestSpoolCleansUp removes what a killed process left, and only that.
func TestSpoolCleansUp(t *testing.T) {
	p := newTestSpool(t, chunkSize)
	for _, name := range []string{"freshet-test-1.spill", "freshet-other-1.spill"} {
		if err := os.WriteFile(p.dir+"/"+name, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.clean(); err != nil {
		t.Fatal(err)
	}
	names, err := os.ReadDir(p.dir)
	if err != nil || len(names) != 1 || names[0].Name() != "freshet-other-1.spill" {
		t.Errorf("left: %v %v", names, err)
	}
}

func BenchmarkSpool(b *testing.B) {
	for name, limit := range map[string]int64{"memory": 1 << 40, "disk": 8 << 20} {
		b.Run(name, func(b *testing.B) {
			p := newTestSpool(b, limit)
			payload := make([]byte, 200)
			b.SetBytes(int64(len(payload)))
			b.ReportAllocs()
			const rows = 100_000
			for n := 0; n < b.N; n += rows {
				tx := p.open(1)
				for range rows {
					if err := p.append(tx, 1, 1, payload); err != nil {
						b.Fatal(err)
					}
				}
				if err := tx.replay(p, func(uint64, []byte) error { return nil }); err != nil {
					b.Fatal(err)
				}
				if err := p.drop(tx); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
