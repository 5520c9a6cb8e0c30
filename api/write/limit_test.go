package write_test

import (
	"errors"
	"strconv"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"freshet/api"
	"freshet/api/auth"
	"freshet/api/limit"
	"freshet/api/write"
	"freshet/deploy/stack/stacktest"
)

// pair is a rate by which two go on at once, and the next while no test runs.
var pair = limit.Rate{PerSecond: 0.001, Burst: 2}

// counter makes limits in a Redis of the test, which unlike a memory tells all keys apart.
func counter(t *testing.T, server *stacktest.RedisServer) *limit.Redis {
	t.Helper()
	r, err := limit.Open(limit.Config{URL: server.URL(), Prefix: "shop", Patience: time.Minute})
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

// flush has all allowances full again.
func flush(t *testing.T, server *stacktest.RedisServer) {
	t.Helper()
	options, err := redis.ParseURL(server.URL())
	if err != nil {
		t.Fatal(err)
	}
	client := redis.NewClient(options)
	if err := errors.Join(client.FlushAll(t.Context()).Err(), client.Close()); err != nil {
		t.Fatal(err)
	}
}

// again is another server of the shop.
func (s *shop) again(config write.Config) *shop {
	s.t.Helper()
	other := *s
	var err error
	if other.shop, err = write.New(config); err == nil {
		other.server, err = api.New(api.Config{Name: "write", Token: token, Timeout: 10 * time.Minute, Log: config.Log}, other.shop.Ready)
	}
	if err == nil {
		err = other.shop.Register(other.server)
	}
	if err != nil {
		s.t.Fatal(err)
	}
	return &other
}

func (s *shop) wantHeld(r reply) {
	s.t.Helper()
	var p api.Problem
	s.want(r, 429).decode(s.t, &p)
	after, err := strconv.Atoi(r.header.Get("Retry-After"))
	if err != nil || after < 1 || after > 1000 || p.Type != "urn:problem-type:freshet:too-many" {
		s.t.Errorf("retry after %d (%v), %+v", after, err, p)
	}
}

// TestAnAccountIsHeldOnAllServers: two servers that count in one Redis give an account one allowance.
func TestAnAccountIsHeldOnAllServers(t *testing.T) {
	server := stacktest.Redis(t)
	var config write.Config
	one := newShop(t, func(c *write.Config) {
		c.Limits.Accounts = counter(t, server).NewShared("account", pair)
		config = *c
	})
	config.Limits.Accounts = counter(t, server).NewShared("account", pair)
	other := one.again(config)
	const path = "/api/v1/cart?store=milano"
	one.want(one.request("GET", path, "", one.anna()...), 200)
	other.want(other.request("GET", path, "", one.anna()...), 200)
	before := one.state()
	one.wantHeld(one.request("GET", path, "", one.anna()...))
	other.wantHeld(other.request("POST", "/api/v1/cart/1", twoBoots, one.anna()...))
	if one.state() != before {
		t.Error("what was refused changed something")
	}
	one.want(one.request("GET", path, "", one.bruno()...), 200)
	// A limit isn't how to learn what a role may do; and those without an account have none to be held.
	one.want(one.request("POST", "/api/v1/checkout", "{}", one.as(auth.Support, 1)...), 403)
	for range 3 {
		one.want(one.request("GET", path, "", anyone...), 200)
		one.want(one.request("GET", "/api/v1/products/1", ""), 200)
	}
}

// TestASKUIsOrderedSoOften, by whichever way and whomever; what isn't an order of it goes on.
func TestASKUIsOrderedSoOften(t *testing.T) {
	server := stacktest.Redis(t)
	s := newShop(t, func(c *write.Config) { c.Limits.SKUs = counter(t, server).NewShared("sku", pair) })
	s.want(s.request("POST", "/api/v1/orders", orderOne, "Idempotency-Key", "k"), 201)
	s.buy(s.anna(), "k", "late")
	k := s.cart("POST", "/api/v1/cart/1", twoBoots, s.bruno()...)
	before := s.state()
	s.wantHeld(s.request("POST", "/api/v1/orders", orderOne, "Idempotency-Key", "another"))
	checkout := body(k.Version, twoBootsTotal, "late")
	s.wantHeld(s.request("POST", "/api/v1/checkout", checkout, append(s.bruno(), "Idempotency-Key", "k")...))
	if s.state() != before {
		t.Error("what was refused changed something")
	}
	flush(t, server)
	s.want(s.request("POST", "/api/v1/checkout", checkout, append(s.bruno(), "Idempotency-Key", "k")...), 201)
	s.audit()
}
