//go:build failpoint

package failpoint

import (
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
)

// bug is a seeded bug: n is the number given with it, calls counts for OneIn.
type bug struct {
	n     int64
	calls atomic.Int64
}

type armed struct {
	point string
	left  atomic.Int64
	bugs  map[string]*bug
}

// settings are read once: arming is for a whole process, before it starts.
var settings = sync.OnceValue(func() *armed {
	s := &armed{}
	name, count, _ := strings.Cut(os.Getenv("FRESHET_TEST_FAILPOINT"), ":")
	s.point = name
	s.left.Store(max(1, number(count)))
	s.bugs = map[string]*bug{}
	for item := range strings.SplitSeq(os.Getenv("FRESHET_TEST_BUG"), ",") {
		name, n, _ := strings.Cut(strings.TrimSpace(item), "=")
		if name != "" {
			s.bugs[name] = &bug{n: max(1, number(n))}
		}
	}
	return s
})

func number(s string) int64 {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// Hit kills the process when the named point is armed and its count is reached. SIGKILL, so that no deferred call tidies
// up what a crash would have left.
func Hit(name string) {
	s := settings()
	if s.point != name || s.left.Add(-1) > 0 {
		return
	}
	if err := syscall.Kill(os.Getpid(), syscall.SIGKILL); err != nil {
		panic(err)
	}
	select {}
}

// Enabled says whether a seeded bug is on.
func Enabled(name string) bool { return settings().bugs[name] != nil }

// OneIn says true once in every N calls for a seeded bug "name=N".
func OneIn(name string) bool {
	b := settings().bugs[name]
	return b != nil && b.calls.Add(1)%b.n == 0
}
