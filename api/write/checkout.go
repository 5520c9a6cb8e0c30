package write

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"

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
	position, err = s.transact(ctx, func(tx pgx.Tx) error {
		by.forget()
		a, err = s.checkoutIn(ctx, tx, customer, key, r, by)
		return err
	})
	s.handOver(by, err == nil)
	return a, position, err
}

func (s *Shop) checkoutIn(ctx context.Context, tx pgx.Tx, customer int64, key string, r *CheckoutRequest, by *payer) (answer, error) {
	return once(ctx, tx, fmt.Sprintf("checkout/%d", customer), key, r, func() (answer, error) {
		o, err := s.buy(ctx, tx, customer, r, by)
		if err != nil {
			return answer{}, err
		}
		return made(http.StatusCreated, o.ID, o)
	})
}

func (s *Shop) buy(ctx context.Context, tx pgx.Tx, customer int64, r *CheckoutRequest, by *payer) (*Order, error) {
	if err := s.mayBuy(ctx, tx, customer); err != nil {
		return nil, err
	}
	st, err := storeInBody(ctx, tx, r.Store, "store")
	if err != nil {
		return nil, err
	}
	if !st.active {
		return nil, api.Errorf(api.Conflict, "The store %s is closed.", st.code).At("store")
	}
	k, err := findCart(ctx, tx, st, owner{customer: customer}, true)
	if err != nil {
		return nil, err
	}
	if k == nil {
		return nil, api.Errorf(api.Conflict, "There is nothing in the cart.").Because(refusedCart)
	}
	if err := k.at(r.Version); err != nil {
		return nil, err
	}
	o := &Order{CustomerID: customer, Store: st.code, Status: "placed", Currency: st.currency}
	rows, err := k.rows(ctx, tx)
	if err != nil {
		return nil, err
	}
	if o.Lines, err = orderLines(rows); err != nil {
		return nil, err
	}
	if o.Totals, err = s.totals(Basket{Store: st.code, Currency: st.currency, Country: r.Address.Country, Shipping: r.Shipping, Lines: o.Lines}); err != nil {
		return nil, inAddress(err)
	}
	if o.Total != *r.Total {
		return nil, api.Errorf(api.Conflict, "The total is %d now, not %d: a price has changed. Read the cart again.", o.Total, *r.Total).
			At("total").Because(refusedPrice)
	}
	return o, s.placeHeld(ctx, tx, k, o, r, by)
}

// mayBuy bounds the orders that hold stock without money. The lock makes two checkouts of one customer count one another: the
// count begins when the lock was got, though both are sent together. No order waits longer than for two holds, the second by
// extension; the customer's older ones needn't be looked through.
func (s *Shop) mayBuy(ctx context.Context, tx pgx.Tx, customer int64) error {
	const query = `select count(*) from orders
		where customer_id = $1 and placed_at > now() - 2 * $2::interval and status = 'placed' and expires_at > now()`
	var known, unpaid int64
	batch := &pgx.Batch{}
	batch.Queue(`select 1 from customers where id = $1 for no key update`, customer).Exec(func(tag pgconn.CommandTag) error {
		known = tag.RowsAffected()
		return nil
	})
	batch.Queue(query, customer, s.hold).QueryRow(func(row pgx.Row) error { return row.Scan(&unpaid) })
	if err := tx.SendBatch(ctx, batch).Close(); err != nil {
		return fmt.Errorf("count the unpaid orders of customer %d: %w", customer, err)
	}
	if known == 0 {
		return api.Errorf(api.Forbidden, "There is no such customer any more.")
	}
	if unpaid >= maxUnpaid {
		return api.Errorf(api.Conflict, "%d orders wait to be paid. Pay or cancel one first.", unpaid)
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

// placeHeld writes the order, holds its stock, asks for its payment, and closes the cart. What needs no answer of the statement
// before it is sent with it.
func (s *Shop) placeHeld(ctx context.Context, tx pgx.Tx, k *cart, o *Order, r *CheckoutRequest, by *payer) error {
	const insert = `insert into orders (customer_id, store_id, currency, total, shipping_total, tax_total, expires_at)
		values ($1, $2, $3, $4, $5, $6, now() + $7::interval) returning id, placed_at, expires_at`
	err := tx.QueryRow(ctx, insert, o.CustomerID, k.store.id, o.Currency, o.Total, o.Shipping, o.Tax, s.hold).Scan(&o.ID, &o.PlacedAt, &o.ExpiresAt)
	if err != nil {
		return fmt.Errorf("insert the order: %w", err)
	}
	const address = `insert into order_addresses (order_id, name, line1, line2, city, region, postcode, country)
		values ($1, $2, $3, $4, $5, $6, $7, $8)`
	to, parts, short := r.Address, &pgx.Batch{}, []string(nil)
	o.queueLines(parts)
	parts.Queue(address, o.ID, to.Name, to.Line1, to.Line2, to.City, to.Region, to.Postcode, to.Country)
	o.take(parts, k.store, &short)
	if err := tx.SendBatch(ctx, parts).Close(); err != nil {
		return fmt.Errorf("write order %d: %w", o.ID, err)
	}
	if len(short) > 0 {
		return outOfStock(short, func(sku string) string { return sku })
	}
	held := &pgx.Batch{}
	o.queueHolds(held, k.store)
	p := s.charge(held, o.ID, o.Total, o.Currency, r.Method, by)
	held.Queue(`update carts set state = 'ordered', version = version + 1, updated_at = now() where id = $1`, k.id)
	if err := tx.SendBatch(ctx, held).Close(); err != nil {
		return fmt.Errorf("write the holds of order %d: %w", o.ID, err)
	}
	o.Payments, o.PlacedAt = []OrderPayment{*p}, o.PlacedAt.UTC()
	o.ExpiresAt = utc(o.ExpiresAt)
	return nil
}
