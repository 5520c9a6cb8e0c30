package main

import (
	"fmt"
	"strings"
	"testing"

	"freshet/api/limit"
)

// TestLimitsThatCantBeKept ends before any server is asked for.
func TestLimitsThatCantBeKept(t *testing.T) {
	for want, env := range map[string][]string{
		"FRESHET_REDIS_URL":                        {"FRESHET_REDIS_URL=http://:secret@127.0.0.1"},
		"--account-limit, --account-burst: a rate": {"FRESHET_ACCOUNT_LIMIT=-1"},
		"--trusted-proxies":                        {"FRESHET_TRUSTED_PROXIES=10.0.0.0/8,here", "FRESHET_ACCOUNT_LIMIT=1"},
		"--sku-limit, --sku-burst: at once":        {"FRESHET_SKU_LIMIT=1", "FRESHET_SKU_BURST=-1"},
	} {
		_, err := runWith(t, append(env, "FRESHET_QUEUE_ORDERS=false"), "serve", "write")
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%v: %v", env, err)
		}
	}
}

func TestLimitsByTheOptions(t *testing.T) {
	var l limits
	if got, err := l.of("sku", rateOptions{}); got != nil || err != nil {
		t.Errorf("no limit: %v %v", got, err)
	}
	got, err := l.of("account", rateOptions{perSecond: 0.001})
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := got.(*limit.Memory); !ok {
		t.Fatalf("without Redis: %T", got)
	}
	if _, ok := got.Take(t.Context(), "1"); !ok {
		t.Error("twice the limit is less than one, and so nobody may ever go on")
	}
	if l.redis, err = limit.Open(limit.Config{URL: "redis://127.0.0.1:1"}); err != nil {
		t.Fatal(err)
	}
	defer l.close()
	if got, err = l.of("account", rateOptions{perSecond: 1}); err != nil {
		t.Fatal(err)
	}
	if _, ok := got.(*limit.Shared); !ok {
		t.Errorf("with Redis: %T", got)
	}
}

func TestProxiesByTheOptions(t *testing.T) {
	o := limitOptions{proxies: []string{"10.0.0.0/8", "192.0.2.1", "fd00::1"}}
	got, err := o.trusted()
	if want := "[10.0.0.0/8 192.0.2.1/32 fd00::1/128]"; err != nil || fmt.Sprint(got) != want {
		t.Errorf("%v %v, want %s", got, err, want)
	}
}
