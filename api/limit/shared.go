package limit

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"time"
)

// Shared limits all servers that have a limit of this name in the same Redis.
type Shared struct {
	redis  *Redis
	name   string
	rate   Rate
	memory *Memory
}

// NewShared returns a Shared by a rate that Check finds good.
func (r *Redis) NewShared(name string, rate Rate) *Shared {
	return &Shared{redis: r, name: name, rate: rate, memory: NewMemory(rate)}
}

// Take is Memory.Take across servers; within this one while Redis is away.
func (s *Shared) Take(ctx context.Context, keys ...string) (wait time.Duration, ok bool) {
	r := s.redis
	if len(keys) == 0 {
		return 0, true
	}
	if !r.mayTry() {
		r.fallbacks.Inc()
		return s.memory.Take(ctx, keys...)
	}
	// A caller who has gone would look like a Redis that has.
	brief, cancel := context.WithTimeout(context.WithoutCancel(ctx), r.patience)
	defer cancel()
	wait, err := s.ask(brief, keys)
	if err != nil {
		r.lost(err)
		r.fallbacks.Inc()
		return s.memory.Take(ctx, keys...)
	}
	r.found()
	return wait, wait == 0
}

func (s *Shared) ask(ctx context.Context, keys []string) (wait time.Duration, err error) {
	hidden := make([]string, 0, len(keys))
	for _, key := range keys {
		hidden = append(hidden, s.hide(key))
	}
	each := s.rate.each().Microseconds()
	micros, err := take.Run(ctx, s.redis.client, hidden, each, each*int64(s.rate.Burst)).Int64()
	return time.Duration(micros) * time.Microsecond, err
}

// hide names the key without saying it: what is limited are addresses of people, and Redis has backups and onlookers. The
// digest is keyed by the password, since all IPv4 addresses are digested in minutes.
func (s *Shared) hide(key string) string {
	mac := hmac.New(sha256.New, s.redis.secret)
	mac.Write([]byte(s.name + "\x00" + key))
	return s.redis.prefix + ":limit:" + s.name + ":" + base64.RawURLEncoding.EncodeToString(mac.Sum(nil)[:16])
}
