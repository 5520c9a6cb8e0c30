package write

import (
	"context"
	"strings"
	"time"

	"freshet/api"
	"freshet/api/limit"
)

// limiter says whether all the keys may go on, and if not, after how long to ask again; when one may not, none has paid.
// Package limit has two, one of which asks another server: none is asked inside a transaction.
type limiter interface {
	Take(ctx context.Context, keys ...string) (wait time.Duration, ok bool)
}

// Limits are how often something may be asked of a Shop. Systems of the shop are limited by none but SKUs.
type Limits struct {
	// SignIns limits each e-mail address that is tried, by whomever: who guesses has many machines. Default: SignIns in
	// this server's memory.
	SignIns limiter
	// Accounts limits the requests of each account; nil for any number.
	Accounts limiter
	// SKUs limits the orders of each SKU, whoever places them; nil for any number.
	SKUs limiter
}

// SignIns is how often one e-mail address may be tried: ten times at once, then once in ten seconds.
var SignIns = limit.Rate{PerSecond: 0.1, Burst: 10}

func (l Limits) signIn(ctx context.Context, email string) error {
	if wait, ok := l.SignIns.Take(ctx, strings.ToLower(strings.TrimSpace(email))); !ok {
		return api.Later(wait, "This address was tried too often.")
	}
	return nil
}

// account is asked once it is known who the caller is. Guests have no account: their addresses are limited.
func (l Limits) account(ctx context.Context, who caller) error {
	if l.Accounts == nil || who.account == 0 {
		return nil
	}
	if wait, ok := l.Accounts.Take(ctx, who.String()); !ok {
		return api.Later(wait, "This account sends more requests than it may.")
	}
	return nil
}

// skus is asked before an order's transaction, for all its SKUs together.
func (l Limits) skus(ctx context.Context, skus []string) error {
	if l.SKUs == nil || len(skus) == 0 {
		return nil
	}
	if wait, ok := l.SKUs.Take(ctx, skus...); !ok {
		return api.Later(wait, "Something in this order is ordered more often at the moment than it may be.")
	}
	return nil
}

// limitCart asks for what is in the customer's cart. It may change before it is bought: then the limit was asked for
// something else, once. One that was bought is closed, so a checkout that is only repeated isn't limited.
func (s *Shop) limitCart(ctx context.Context, customer int64, store string) error {
	if s.limits.SKUs == nil {
		return nil
	}
	_, lines, err := cartOf(ctx, s.pool, store, owner{customer: customer})
	if err != nil {
		return translate(unknownInBody(err, store, "store"))
	}
	skus := make([]string, len(lines))
	for i, l := range lines {
		skus[i] = l.sku
	}
	return s.limits.skus(ctx, skus)
}
