package limit

import (
	_ "embed"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// rest is for how long Redis is left alone after it failed. Without it each request would wait for it in vain.
const rest = time.Second

//go:embed take.lua
var takeLua string

var take = redis.NewScript(takeLua)

// quiet stops the client's own log, which all clients share and where every attempt to reach a Redis that is away is a
// line. Ours says once that it is.
var quiet = sync.OnceFunc(logging.Disable)

// Config is what a Redis is made of.
type Config struct {
	// URL is redis://user:password@host:port/database, or rediss:// for TLS. Servers that share limits have the same password.
	URL string
	// Prefix begins the names of keys, so that several shops may use one Redis.
	Prefix string
	// Patience is how long Redis may hold a request, default 100 ms: much for one in the same building, and nothing to a
	// shopper. Too short and a pause looks like an outage.
	Patience time.Duration
	// Log is told when Redis goes and when it is back. Default slog.Default().
	Log *slog.Logger
	// Metrics is where the collectors are registered. Default: a registry nobody reads.
	Metrics prometheus.Registerer
}

func (c *Config) defaults() {
	if c.Patience == 0 {
		c.Patience = 100 * time.Millisecond
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	if c.Metrics == nil {
		c.Metrics = prometheus.NewRegistry()
	}
}

// hurry makes the client give up at once: the memory is there.
func (c *Config) hurry(o *redis.Options) {
	o.DialTimeout, o.ReadTimeout, o.WriteTimeout, o.PoolTimeout = c.Patience, c.Patience, c.Patience, c.Patience
	o.ContextTimeoutEnabled = true
	o.MaxRetries, o.DialerRetries = -1, 1
	o.DisableIdentity = true
	o.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
}

// Redis is where several servers count together.
type Redis struct {
	client   *redis.Client
	prefix   string
	secret   []byte
	patience time.Duration
	log      *slog.Logger
	// away is when Redis failed last, in nanoseconds on the clock of start; 0 while it answers.
	away  atomic.Int64
	start time.Time
	now   func() time.Time

	up        prometheus.Gauge
	fallbacks prometheus.Counter
}

// Open returns a Redis by its URL. It needn't be there: nothing is connected yet.
func Open(cfg Config) (*Redis, error) {
	options, err := redis.ParseURL(cfg.URL)
	if err != nil {
		// The error would show the URL, with its password.
		return nil, errors.New("the Redis URL isn't redis://user:password@host:port/database")
	}
	cfg.defaults()
	cfg.hurry(options)
	quiet()
	r := &Redis{
		client: redis.NewClient(options), prefix: cfg.Prefix, secret: []byte(options.Password),
		patience: cfg.Patience, log: cfg.Log, start: time.Now(), now: time.Now,
		up: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "freshet_limit_redis_up", Help: "1 while limits are shared by Redis, 0 while each server counts by itself.",
		}),
		fallbacks: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "freshet_limit_fallbacks_total", Help: "Requests that were limited by one server's memory because Redis was away.",
		}),
	}
	r.up.Set(1)
	for _, c := range []prometheus.Collector{r.up, r.fallbacks} {
		if err := cfg.Metrics.Register(c); err != nil {
			return nil, fmt.Errorf("register the metrics of limits: %w", err)
		}
	}
	return r, nil
}

// Close ends the connections.
func (r *Redis) Close() error {
	if err := r.client.Close(); err != nil {
		return fmt.Errorf("close Redis: %w", err)
	}
	return nil
}

// mayTry says whether to ask Redis. While it is away one request in each rest does.
func (r *Redis) mayTry() bool {
	away := r.away.Load()
	now := r.elapsed()
	return away == 0 || now-away >= int64(rest) && r.away.CompareAndSwap(away, now)
}

// elapsed is never 0, which means something else.
func (r *Redis) elapsed() int64 { return max(1, int64(r.now().Sub(r.start))) }

func (r *Redis) lost(err error) {
	if r.away.Swap(r.elapsed()) == 0 {
		r.up.Set(0)
		r.log.Warn("Redis is away: each server limits by itself", "error", err.Error())
	}
}

func (r *Redis) found() {
	if r.away.Load() != 0 && r.away.Swap(0) != 0 {
		r.up.Set(1)
		r.log.Info("Redis is back: limits are shared again")
	}
}
