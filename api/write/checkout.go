package write

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"freshet/api"
)

// CheckoutRequest is the body of POST /checkout. What is bought is in the cart; version and total are what the customer
// has seen and agreed to.
type CheckoutRequest struct {
	Store    string  `json:"store"`
	Version  *int64  `json:"version"`
	Total    *int64  `json:"total"`
	Shipping string  `json:"shipping"`
	Address  Address `json:"address"`
	// Method is the payment provider's token for what the customer pays with; never a card number.
	Method string `json:"method"`
}

// Address is where an order goes.
type Address struct {
	Name     string `json:"name"`
	Line1    string `json:"line1"`
	Line2    string `json:"line2,omitempty"`
	City     string `json:"city"`
	Region   string `json:"region,omitempty"`
	Postcode string `json:"postcode"`
	Country  string `json:"country"`
}

func (a *Address) check(c *check, at string) {
	c.text(at+".name", a.Name, 1, 200)
	c.text(at+".line1", a.Line1, 1, 200)
	c.text(at+".line2", a.Line2, 0, 200)
	c.text(at+".city", a.City, 1, 100)
	c.text(at+".region", a.Region, 0, 100)
	c.text(at+".postcode", a.Postcode, 1, 20)
	c.match(at+".country", a.Country, countryPattern)
}

func (r *CheckoutRequest) check() error {
	var c check
	c.text("store", r.Store, 1, 64)
	c.text("shipping", r.Shipping, 1, 32)
	c.match("method", r.Method, methodPattern)
	r.Address.check(&c, "address")
	if r.Version == nil {
		c.bad("version", "is needed: the version of the cart that is bought")
	}
	if r.Total == nil {
		c.bad("total", "is needed: what the customer agreed to pay")
	}
	return c.err()
}

// maxUnpaid is how many orders of a customer may wait for their money at once. Each holds stock from others.
const maxUnpaid = 5

func (s *Shop) postCheckout(c *fiber.Ctx) error {
	key, err := idempotencyKey(c, true)
	if err != nil {
		return err
	}
	var r CheckoutRequest
	if err := api.Body(c, &r); err != nil {
		return err
	}
	if err := r.check(); err != nil {
		return err
	}
	if s.provider == nil {
		return api.Errorf(api.Unavailable, "This shop has no payment provider, so nothing can be bought.")
	}
	customer := callerOf(c).account
	return s.placeOrQueue(c, placing{
		route: "checkout", customer: customer, key: key, request: &r,
		place: func(ctx context.Context) (answer, string, error) {
			if err := s.limitCart(ctx, customer, r.Store); err != nil {
				return answer{}, "", err
			}
			return s.checkout(ctx, customer, key, &r)
		},
		location: func(a answer) string { return fmt.Sprintf("/api/v1/orders/%d", a.id) },
	})
}

// checkout turns the cart into an order that holds its stock for a time and asks for its payment, all in one transaction.
// The provider is asked after the commit, by a payer that was kept for it if one was free.
func (s *Shop) checkout(ctx context.Context, customer int64, key string, r *CheckoutRequest) (a answer, position string, err error) {
	by := s.keepPayer()
	position, err = s.transact(ctx, func(tx *unit) error {
		by.forget()
		a, err = s.checkoutIn(ctx, tx, customer, key, r, by)
		return err
	})
	s.handOver(by, err == nil)
	return a, position, err
}

func (s *Shop) checkoutIn(ctx context.Context, tx *unit, customer int64, key string, r *CheckoutRequest, by *payer) (answer, error) {
	return once(ctx, tx, fmt.Sprintf("checkout/%d", customer), key, r, func() (answer, error) {
		o, err := s.buy(ctx, tx, customer, r, by)
		if err != nil {
			return answer{}, err
		}
		return made(http.StatusCreated, o.ID, o)
	})
}

func (s *Shop) buy(ctx context.Context, tx *unit, customer int64, r *CheckoutRequest, by *payer) (*Order, error) {
	w, err := s.askWanted(ctx, tx, customer, r.Store)
	if err != nil {
		return nil, unknownInBody(err, r.Store, "store")
	}
	if err := w.mayBuy(); err != nil {
		return nil, err
	}
	k, st := &w.cart, &w.cart.store
	if err := st.open(); err != nil {
		return nil, err
	}
	if k.id == 0 {
		return nil, api.Errorf(api.Conflict, "There is nothing in the cart.").Because(refusedCart)
	}
	if err := k.at(r.Version); err != nil {
		return nil, err
	}
	o := &Order{ID: w.order, CustomerID: customer, Store: st.code, Status: "placed", Currency: st.currency, PlacedAt: w.now.UTC()}
	o.ExpiresAt = utc(&w.expires)
	if o.Lines, err = orderLines(w.lines); err != nil {
		return nil, err
	}
	if o.Totals, err = s.totals(Basket{Store: st.code, Currency: st.currency, Country: r.Address.Country, Shipping: r.Shipping, Lines: o.Lines}); err != nil {
		return nil, inAddress(err)
	}
	if o.Total != *r.Total {
		return nil, api.Errorf(api.Conflict, "The total is %d now, not %d: a price has changed. Read the cart again.", o.Total, *r.Total).
			At("total").Because(refusedPrice)
	}
	return o, s.placeHeld(ctx, tx, w, o, r, by)
}

// wanted is what a checkout begins with.
type wanted struct {
	known, unpaid int64 // of the customer: 1 for who is there, and orders without money
	cart          cart
	lines         []cartRow
	order         int64 // the number that the order will have
	payment       int64 // and its payment
	now, expires  time.Time
}

// askWanted locks the customer and the cart and asks for all that decides whether it may be bought, in one round trip. The lock
// makes two checkouts of one customer count one another: each statement begins when the one before it has ended. No order waits
// longer than for two holds, the second by extension; the customer's older ones needn't be looked through.
func (s *Shop) askWanted(ctx context.Context, tx pgx.Tx, customer int64, name string) (*wanted, error) {
	st, err := parseStore(name)
	if err != nil {
		return nil, err
	}
	const query = `select count(*) from orders
		where customer_id = $1 and placed_at > now() - 2 * $2::interval and status = 'placed' and expires_at > now()`
	w, own, batch := &wanted{}, owner{customer: customer}, &pgx.Batch{}
	batch.Queue(`select 1 from customers where id = $1 for no key update`, customer).Exec(func(tag pgconn.CommandTag) error {
		w.known = tag.RowsAffected()
		return nil
	})
	batch.Queue(query, customer, s.hold).QueryRow(func(row pgx.Row) error { return row.Scan(&w.unpaid) })
	st.queue(batch, &w.cart.store)
	w.cart.queueLock(batch, st, own)
	w.cart.queueLines(batch, st, own, &w.lines)
	batch.Queue(`select nextval('orders_id_seq'), nextval('payments_id_seq'), now(), now() + $1::interval`, s.hold).
		QueryRow(func(row pgx.Row) error { return row.Scan(&w.order, &w.payment, &w.now, &w.expires) })
	if err := tx.SendBatch(ctx, batch).Close(); err != nil {
		return nil, fmt.Errorf("ask what customer %d wants of store %q: %w", customer, cut(name, 64), err)
	}
	return w, nil
}

// mayBuy bounds the orders that hold stock without money.
func (w *wanted) mayBuy() error {
	if w.known == 0 {
		return api.Errorf(api.Forbidden, "There is no such customer any more.")
	}
	if w.unpaid >= maxUnpaid {
		return api.Errorf(api.Conflict, "%d orders wait to be paid. Pay or cancel one first.", w.unpaid)
	}
	return nil
}

// orderLines are a cart's lines as those of an order, at the prices of now and in the order of their SKUs.
func orderLines(rows []cartRow) ([]OrderItem, error) {
	if len(rows) == 0 {
		return nil, api.Errorf(api.Conflict, "There is nothing in the cart.").Because(refusedCart)
	}
	if len(rows) > maxLines {
		return nil, api.Errorf(api.Conflict, "The cart has %d lines, and an order takes %d.", len(rows), maxLines)
	}
	slices.SortFunc(rows, func(a, b cartRow) int { return strings.Compare(a.sku, b.sku) })
	items := make([]OrderItem, len(rows))
	gone := api.Errorf(api.Conflict, "Something in the cart isn't for sale any more. Read the cart again.").Because(refusedStock)
	for i, r := range rows {
		if r.price == nil {
			gone.Fields = append(gone.Fields, api.Field{Field: r.sku, Detail: r.sku + " isn't for sale any more"})
			continue
		}
		items[i] = OrderItem{Line: i + 1, SKU: r.sku, ProductID: r.product, Quantity: r.quantity, UnitAmount: *r.price, Status: "placed"}
	}
	if len(gone.Fields) > 0 {
		return nil, gone
	}
	return items, nil
}

// placeHeld writes the order and takes its stock. When all of it was to be had, the holds and the payment follow, and the cart's
// end, with the commit.
func (s *Shop) placeHeld(ctx context.Context, tx *unit, w *wanted, o *Order, r *CheckoutRequest, by *payer) error {
	const insert = `insert into orders (id, customer_id, store_id, currency, total, shipping_total, tax_total, placed_at, expires_at)
		values ($1, $2, $3, $4, $5, $6, $7, $8, $9)`
	const address = `insert into order_addresses (order_id, name, line1, line2, city, region, postcode, country)
		values ($1, $2, $3, $4, $5, $6, $7, $8)`
	k, to, parts, short := &w.cart, r.Address, &pgx.Batch{}, []string(nil)
	parts.Queue(insert, o.ID, o.CustomerID, k.store.id, o.Currency, o.Total, o.Shipping, o.Tax, o.PlacedAt, o.ExpiresAt)
	o.queueLines(parts)
	parts.Queue(address, o.ID, to.Name, to.Line1, to.Line2, to.City, to.Region, to.Postcode, to.Country)
	o.take(parts, k.store, &short)
	if err := tx.SendBatch(ctx, parts).Close(); err != nil {
		return fmt.Errorf("write order %d: %w", o.ID, err)
	}
	if len(short) > 0 {
		return outOfStock(short, func(sku string) string { return sku })
	}
	rest := tx.atCommit()
	o.queueHolds(rest, k.store)
	o.Payments = []OrderPayment{s.charge(rest, w.payment, o.ID, o.Total, o.Currency, r.Method, by)}
	rest.Queue(`update carts set state = 'ordered', version = version + 1, updated_at = now() where id = $1`, k.id)
	return nil
}
