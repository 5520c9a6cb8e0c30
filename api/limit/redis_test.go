package limit

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/redis/go-redis/v9"
	"pgregory.net/rapid"

	"freshet/deploy/stack/stacktest"
)

// open is a Redis whose patience outlasts a pause of the test.
func open(t *testing.T, cfg Config) *Redis {
	t.Helper()
	cfg.Prefix = "shop"
	if cfg.Patience == 0 {
		cfg.Patience = time.Minute
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	r, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

// seldom is a rate by which nothing comes back while a test runs.
var seldom = Rate{PerSecond: 0.001, Burst: 2}

func TestServersCountTogether(t *testing.T) {
	server := stacktest.Redis(t)
	first, second := open(t, Config{URL: server.URL()}), open(t, Config{URL: server.URL()})
	here, there := first.NewShared("account", seldom), second.NewShared("account", seldom)
	for i, l := range []*Shared{here, there} {
		if wait, ok := l.Take(t.Context(), "7"); !ok {
			t.Errorf("request %d has to wait %s", i, wait)
		}
	}
	for i, l := range []*Shared{here, there} {
		if wait, ok := l.Take(t.Context(), "7"); ok || wait <= 0 || wait > 1000*time.Second {
			t.Errorf("server %d: %s %t after the other's requests", i, wait, ok)
		}
	}
	if _, ok := there.Take(t.Context(), "8"); !ok {
		t.Error("another key was refused")
	}
	if _, ok := there.redis.NewShared("sku", seldom).Take(t.Context(), "7"); !ok {
		t.Error("another limit's key was refused")
	}
	if n := testutil.ToFloat64(first.fallbacks) + testutil.ToFloat64(second.fallbacks); n != 0 {
		t.Errorf("%v requests were limited by memory", n)
	}
}

// TestWhenOneMayNotNoneHasPaid, neither in Redis nor in memory.
func TestWhenOneMayNotNoneHasPaid(t *testing.T) {
	check := func(t *testing.T, take func(ctx context.Context, keys ...string) (time.Duration, bool), keys []string) {
		for range 2 {
			take(t.Context(), keys[0])
		}
		if _, ok := take(t.Context(), keys[1], keys[0], keys[2]); ok {
			t.Error("all went on with one that may not")
		}
		for range 2 {
			if _, ok := take(t.Context(), keys[1], keys[2]); !ok {
				t.Error("refused: it has paid for what it didn't get")
			}
		}
	}
	m := NewMemory(seldom)
	check(t, m.Take, apart(m, 3))
	check(t, open(t, Config{URL: stacktest.Redis(t).URL()}).NewShared("sku", seldom).Take, []string{"A", "B", "C"})
}

// TestKeysSayNothing looks at what Redis keeps: no address, not as a digest that anyone could make, and not for long.
func TestKeysSayNothing(t *testing.T) {
	r := open(t, Config{URL: stacktest.Redis(t).URL()})
	if _, ok := r.NewShared("signin", seldom).Take(t.Context(), "anna@example.org"); !ok {
		t.Fatal("refused")
	}
	keys, err := r.client.Keys(t.Context(), "*").Result()
	if err != nil || len(keys) != 1 || !strings.HasPrefix(keys[0], "shop:limit:signin:") || strings.Contains(keys[0], "anna") {
		t.Fatalf("%q %v", keys, err)
	}
	left, err := r.client.TTL(t.Context(), keys[0]).Result()
	if err != nil || left <= 0 || left > 1000*time.Second {
		t.Errorf("kept for %s, %v: longer than its allowance takes to be full", left, err)
	}
	one, other := &Redis{secret: []byte("one")}, &Redis{secret: []byte("other")}
	if one.NewShared("x", seldom).hide("10.0.0.1") == other.NewShared("x", seldom).hide("10.0.0.1") {
		t.Error("who doesn't know the password can make the digest")
	}
}

// TestRedisGoesAndComesBack: no request fails, the log says each once, and a metric tells how many were limited by memory.
func TestRedisGoesAndComesBack(t *testing.T) {
	server := stacktest.Redis(t)
	var log bytes.Buffer
	r := open(t, Config{URL: server.URL(), Log: slog.New(slog.NewTextHandler(&log, nil))})
	now := r.start
	r.now = func() time.Time { return now }
	l := r.NewShared("account", seldom)
	steps := func(want ...bool) {
		t.Helper()
		for i, w := range want {
			if _, ok := l.Take(t.Context(), "7"); ok != w {
				t.Errorf("request %d: %t", i, ok)
			}
		}
	}
	steps(true, true, false)
	server.Kill()
	// The memory hasn't seen anything yet; then it limits too.
	steps(true, true, false)
	now = now.Add(rest) // it is asked again, in vain
	steps(false)
	if up, n := testutil.ToFloat64(r.up), testutil.ToFloat64(r.fallbacks); up != 0 || n != 4 {
		t.Errorf("away: up %v, %v fallbacks", up, n)
	}
	server.Start()
	steps(false) // it rests
	now = now.Add(rest)
	if _, ok := l.Take(t.Context(), "8"); !ok || testutil.ToFloat64(r.up) != 1 || testutil.ToFloat64(r.fallbacks) != 5 {
		t.Errorf("back: %t, up %v, %v fallbacks", ok, testutil.ToFloat64(r.up), testutil.ToFloat64(r.fallbacks))
	}
	if said := log.String(); strings.Count(said, "Redis is away") != 1 || strings.Count(said, "Redis is back") != 1 {
		t.Errorf("the log says:\n%s", said)
	}
}

// TestRedisThatHangs takes connections and never says a word.
func TestRedisThatHangs(t *testing.T) {
	silent, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = silent.Close() }()
	r := open(t, Config{URL: "redis://" + silent.Addr().String(), Patience: 20 * time.Millisecond})
	if wait, ok := r.NewShared("account", seldom).Take(t.Context(), "7"); !ok || testutil.ToFloat64(r.up) != 0 {
		t.Errorf("%s %t, up %v", wait, ok, testutil.ToFloat64(r.up))
	}
}

// TestACallerWhoHasGone is no reason to think that Redis has.
func TestACallerWhoHasGone(t *testing.T) {
	r := open(t, Config{URL: stacktest.Redis(t).URL()})
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, ok := r.NewShared("account", seldom).Take(gone, "7"); !ok || testutil.ToFloat64(r.up) != 1 {
		t.Errorf("%t, up %v", ok, testutil.ToFloat64(r.up))
	}
}

// TestBothAreOneAlgorithm gives the script and the memory the same clock and the same requests.
func TestBothAreOneAlgorithm(t *testing.T) {
	client := open(t, Config{URL: stacktest.Redis(t).URL()}).client
	script := redis.NewScript(strings.Replace(takeLua, "redis.call('TIME')", "{ARGV[3], ARGV[4]}", 1))
	rapid.Check(t, func(t *rapid.T) {
		ctx := context.Background()
		if err := client.FlushAll(ctx).Err(); err != nil {
			t.Fatal(err)
		}
		// Keys still vanish by the server's clock. One time costs a quarter of an hour and more, so none does.
		rate := Rate{PerSecond: rapid.SampledFrom([]float64{slowest, 0.0001, 0.001}).Draw(t, "per second"), Burst: rapid.IntRange(1, 5).Draw(t, "burst")}
		each, ahead := rate.each().Microseconds(), rate.ahead().Microseconds()
		memory, now := NewMemory(rate), time.Unix(1_700_000_000, 0)
		memory.now = func() time.Time { return now }
		keys := apart(memory, 3)
		for range rapid.IntRange(1, 40).Draw(t, "requests") {
			now = now.Add(time.Duration(rapid.Int64Range(0, 2*each).Draw(t, "µs")) * time.Microsecond)
			asked := rapid.SliceOfNDistinct(rapid.SampledFrom(keys), 1, 3, rapid.ID[string]).Draw(t, "keys")
			_, here := memory.Take(ctx, asked...)
			wait, err := script.Run(ctx, client, asked, each, ahead, now.Unix(), now.Nanosecond()/1000).Int64()
			if err != nil || here != (wait == 0) {
				t.Fatalf("%q: memory %t, Redis has them wait %d µs, %v", asked, here, wait, err)
			}
		}
	})
}

func TestRedisURLsArentShown(t *testing.T) {
	_, err := Open(Config{URL: "http://:secret@x"})
	if err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("%v", err)
	}
	if _, err := redis.ParseURL("http://:secret@x"); err == nil {
		t.Error("the URL is good, so this test shows nothing")
	}
}
