package main

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/pflag"

	"freshet/api/limit"
	"freshet/api/write"
)

// limitOptions are the settings of the limits of servers.
type limitOptions struct {
	redisURL              string
	proxies               []string
	address, account, sku rateOptions // the latter two of write
}

// rateOptions are a rate as given: no times a second are any number, and nothing at once is twice that.
type rateOptions struct {
	perSecond float64
	burst     int
}

func (o *limitOptions) bind(flags *pflag.FlagSet) {
	flags.StringVar(&o.redisURL, "redis-url", "", "Redis, redis://user:password@host:port/database, in which servers count for their limits together, for as long as it is there; without it each counts by itself; better given by the variable, which ps doesn't show")
	flags.StringSliceVar(&o.proxies, "trusted-proxies", nil, "addresses and networks (10.0.0.0/8) of the proxies in front, whose X-Forwarded-For says who a client is; without them a client is who connects, and all that come by a proxy are one")
	o.address.bind(flags, "rate", 0, "requests", "client address (of IPv6 the first 64 bits)")
}

func (o *limitOptions) bindWrite(flags *pflag.FlagSet) {
	o.account.bind(flags, "account", 50, "requests", "account")
	o.sku.bind(flags, "sku", 0, "orders", "SKU, whoever places them")
}

func (o *rateOptions) bind(flags *pflag.FlagSet, name string, perSecond float64, what, of string) {
	flags.Float64Var(&o.perSecond, name+"-limit", perSecond, fmt.Sprintf("%s per second of one %s; 0 for any number", what, of))
	flags.IntVar(&o.burst, name+"-burst", 0, fmt.Sprintf("%s at once, of one %s (default twice the limit)", what, of))
}

// trusted are the networks of the proxies.
func (o *limitOptions) trusted() ([]netip.Prefix, error) {
	var networks []netip.Prefix
	for _, text := range o.proxies {
		network, err := netip.ParsePrefix(text)
		if err != nil {
			addr, addrErr := netip.ParseAddr(text)
			if addrErr != nil {
				return nil, fmt.Errorf("--trusted-proxies: %q is neither an address nor a network", text)
			}
			network = netip.PrefixFrom(addr, addr.BitLen())
		}
		networks = append(networks, network)
	}
	return networks, nil
}

// limiter is what servers ask.
type limiter interface {
	Take(ctx context.Context, keys ...string) (wait time.Duration, ok bool)
}

// limits makes the limiters of one process.
type limits struct {
	redis *limit.Redis // nil for none
}

func (s *settings) openLimits(o *limitOptions, registry *prometheus.Registry) (*limits, error) {
	if o.redisURL == "" {
		return &limits{}, nil
	}
	redis, err := limit.Open(limit.Config{URL: o.redisURL, Prefix: s.prefix, Log: s.logger(), Metrics: registry})
	if err != nil {
		return nil, fmt.Errorf("--redis-url (FRESHET_REDIS_URL): %w", err)
	}
	return &limits{redis: redis}, nil
}

func (l *limits) close() {
	if l.redis != nil {
		_ = l.redis.Close() // nothing is written by then
	}
}

// of makes the limiter of a name, nil where the options set no limit.
func (l *limits) of(name string, o rateOptions) (limiter, error) {
	if o.perSecond == 0 {
		return nil, nil
	}
	rate := limit.Rate{PerSecond: o.perSecond, Burst: o.burst}
	if o.burst == 0 {
		rate.Burst = max(1, int(2*o.perSecond))
	}
	if err := rate.Check(); err != nil {
		return nil, err
	}
	if l.redis == nil {
		return limit.NewMemory(rate), nil
	}
	return l.redis.NewShared(name, rate), nil
}

// write makes the limits of the write API.
func (l *limits) write(o *limitOptions) (of write.Limits, err error) {
	if of.SignIns, err = l.of("signin", rateOptions{write.SignIns.PerSecond, write.SignIns.Burst}); err != nil {
		return of, err
	}
	if of.Accounts, err = l.of("account", o.account); err != nil {
		return of, fmt.Errorf("--account-limit, --account-burst: %w", err)
	}
	if of.SKUs, err = l.of("sku", o.sku); err != nil {
		return of, fmt.Errorf("--sku-limit, --sku-burst: %w", err)
	}
	return of, nil
}
