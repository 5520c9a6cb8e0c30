package api

import (
	"context"
	"net/http/httptest"
	"net/netip"
	"testing"
	"time"
)

// TestTheClientBehindProxies: only what a proxy of ours has written is believed, and nothing left of it.
func TestTheClientBehindProxies(t *testing.T) {
	ours := proxies{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}
	for what, c := range map[string]struct {
		hops []string
		want string
	}{
		"a proxy that says nothing":         {nil, "10.0.0.1"},
		"one proxy":                         {[]string{"203.0.113.7"}, "203.0.113.7"},
		"two proxies":                       {[]string{"203.0.113.7", " fd00::2"}, "203.0.113.7"},
		"a client that claims an address":   {[]string{"198.51.100.1", " 203.0.113.7"}, "203.0.113.7"},
		"a client that claims to be ours":   {[]string{"10.9.9.9", "203.0.113.7", "10.0.0.2"}, "203.0.113.7"},
		"a client that claims nonsense":     {[]string{"x", "203.0.113.7"}, "203.0.113.7"},
		"nonsense where the client is":      {[]string{"203.0.113.7", "x", "10.0.0.2"}, "10.0.0.2"},
		"nobody but ours":                   {[]string{"10.0.0.3", "10.0.0.2"}, "10.0.0.3"},
		"an IPv4 address written as IPv6":   {[]string{"::ffff:203.0.113.7", "::ffff:10.0.0.2"}, "203.0.113.7"},
		"an empty header, as some write it": {[]string{""}, "10.0.0.1"},
	} {
		if got := ours.behind(netip.MustParseAddr("10.0.0.1"), c.hops); got.String() != c.want {
			t.Errorf("%s: %s, want %s", what, got, c.want)
		}
	}
}

func TestASubscriberHasOneAllowance(t *testing.T) {
	for addr, want := range map[string]string{
		"203.0.113.7":            "203.0.113.7",
		"2001:db8:1:2::1":        "2001:db8:1:2::",
		"2001:db8:1:2:ffff::9":   "2001:db8:1:2::",
		"2001:db8:1:3::1":        "2001:db8:1:3::",
		"fe80::1%eth0":           "fe80::",
		"2001:db8:1:2:3:4:5:abc": "2001:db8:1:2::",
	} {
		if got := subscriber(netip.MustParseAddr(addr)); got != want {
			t.Errorf("%s: %s, want %s", addr, got, want)
		}
	}
}

// once lets each key go on once.
type once map[string]bool

func (o once) Take(_ context.Context, keys ...string) (wait time.Duration, ok bool) {
	for _, key := range keys {
		if o[key] {
			return 1500 * time.Millisecond, false
		}
		o[key] = true
	}
	return 0, true
}

// TestAddressesAreLimited by the socket's address, and by the header where a proxy of ours has written it. The test's socket
// is at 0.0.0.0.
func TestAddressesAreLimited(t *testing.T) {
	for what, c := range map[string]struct {
		proxies []netip.Prefix
		status  int // of a second client's request
	}{
		"without a proxy":             {nil, 429},
		"behind one that is not ours": {[]netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, 429},
		"behind ours":                 {[]netip.Prefix{netip.MustParsePrefix("0.0.0.0/32")}, 200},
	} {
		t.Run(what, func(t *testing.T) {
			s, _ := newServer(t, Config{Addresses: once{}, Proxies: c.proxies})
			ask := func(client string, want int) {
				t.Helper()
				r := httptest.NewRequest("GET", "/healthz", nil)
				r.Header.Add("X-Forwarded-For", "198.51.100.1")
				r.Header.Add("X-Forwarded-For", client)
				resp, p := do(t, s, r)
				if resp.StatusCode != want {
					t.Errorf("%s: %d %+v, want %d", client, resp.StatusCode, p, want)
				}
				if want == 429 && (p.Type != problemType+string(TooMany) || resp.Header.Get("Retry-After") != "2") {
					t.Errorf("%+v, retry after %q", p, resp.Header.Get("Retry-After"))
				}
			}
			ask("203.0.113.7", 200)
			ask("203.0.113.7", 429)
			ask("203.0.113.8", c.status)
		})
	}
}
