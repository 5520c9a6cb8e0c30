package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"
)

// buyer is a customer of the stall with a cart of one unit.
type buyer struct {
	mu       sync.Mutex // whoever acts as the buyer holds it
	customer int64
	sku      int     // what lies in the cart
	version  int64   // of the cart, 0 when it isn't filled
	bought   int     // checkouts so far, for keys
	open     []int64 // orders that were not cancelled, paid or not
	method   string  // of the checkout that is tried, "" before the first try: what is sent again must be the same
}

// crowd are the buyers and how they reach the shop.
type crowd struct {
	stall    *stall
	client   *client
	sign     func(customer int64) (string, error)
	patience time.Duration // for how long a request that isn't answered is repeated
	taken    *samples
}

// The kinds of request that are timed.
const (
	kindAdd      = "put into the cart"
	kindCart     = "read the cart"
	kindCheckout = "checkout"
	kindCancel   = "cancel"
)

// ask sends a request until it is answered by something other than "not now", as a client does who wants to know what
// became of it. known is false when patience ran out before.
func (c *crowd) ask(ctx context.Context, kind string, b *buyer, s sent) (a answered, known bool, err error) {
	if s.token, err = c.sign(b.customer); err != nil {
		return a, false, err
	}
	deadline := time.Now().Add(c.patience)
	for {
		begun := time.Now()
		a, err = c.client.send(ctx, s)
		if ctx.Err() != nil {
			return a, false, ctx.Err()
		}
		if err == nil && a.status < http.StatusInternalServerError && a.status != http.StatusTooManyRequests {
			c.taken.add(kind, time.Since(begun), nil)
			return a, true, nil
		}
		if err == nil {
			err = statusError(s.path, a.status, a.body)
		}
		if time.Now().After(deadline) {
			c.taken.add(kind, time.Since(begun), err)
			return a, false, nil
		}
		sleepUntil(ctx, time.Now().Add(50*time.Millisecond))
	}
}

// fill puts one unit of the SKU into the buyer's cart; false when it can't be had.
func (c *crowd) fill(ctx context.Context, b *buyer, sku int) (bool, error) {
	body := map[string]any{"store": c.stall.code, "sku": c.stall.sku(sku), "quantity": 1}
	path := fmt.Sprintf("/api/v1/cart/%d", c.stall.products[sku])
	a, known, err := c.ask(ctx, kindAdd, b, sent{method: http.MethodPost, path: path, key: fmt.Sprintf("fill-%d-%d", b.bought, sku), body: body})
	if err != nil || !known || a.problem == outOfStock {
		return false, err
	}
	if a.status != http.StatusOK {
		return false, statusError(path, a.status, a.body)
	}
	var cart struct{ Version int64 }
	if err := a.decode(&cart); err != nil {
		return false, err
	}
	b.sku, b.version = sku, cart.Version
	return true, nil
}

// outOfStock is the type of the problem that a shopper who came too late is answered.
const outOfStock = "urn:problem-type:freshet:out-of-stock"

// order is the checkout of the buyer's cart.
func (c *crowd) order(b *buyer) sent {
	return sent{method: http.MethodPost, path: "/api/v1/checkout", key: fmt.Sprintf("buy-%d", b.bought), body: map[string]any{
		"store": c.stall.code, "version": b.version, "total": stallPrice + stallShipping, "shipping": "standard", "method": b.method,
		"address": map[string]string{"name": "Bench", "line1": "Via Roma 1", "city": "Milano", "postcode": "20121", "country": "IT"},
	}}
}

// errUnpaid says that too many of the buyer's orders wait for money.
var errUnpaid = errors.New("too many orders wait to be paid")

// placed reads the order's id from the answer to a checkout; 0 when the SKU was gone, errUnpaid when others have to be paid first.
func placed(a answered) (int64, error) {
	if a.problem == outOfStock {
		return 0, nil
	}
	if a.status == http.StatusConflict && bytes.Contains(a.body, []byte("wait to be paid")) {
		return 0, errUnpaid
	}
	if a.status != http.StatusCreated {
		return 0, statusError("/api/v1/checkout", a.status, a.body)
	}
	var order struct{ ID int64 }
	return order.ID, a.decode(&order)
}
