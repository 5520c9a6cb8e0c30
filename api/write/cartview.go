package write

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// Cart is a cart as the API shows it, with the prices and the stock of this moment.
type Cart struct {
	Store    string `json:"store"`
	Currency string `json:"currency"`
	// Version goes up with each change; 0 is the version of a cart that nothing was put into.
	Version   int64        `json:"version"`
	ExpiresAt *time.Time   `json:"expires_at,omitempty"`
	Lines     []CartLine   `json:"lines"`
	Subtotal  int64        `json:"subtotal"`
	Changes   []CartChange `json:"changes"`
}

// CartLine is some units of one SKU at the price of this moment; one that isn't sold any more shows the price it had.
type CartLine struct {
	SKU        string            `json:"sku"`
	ProductID  int64             `json:"product_id"`
	Options    map[string]string `json:"options"`
	Quantity   int64             `json:"quantity"`
	UnitAmount int64             `json:"unit_amount"`
	Amount     int64             `json:"amount"`
}

// CartChange says what is another than when the line was put in or last accepted.
type CartChange struct {
	SKU    string `json:"sku"`
	Kind   string `json:"kind"` // price, quantity or gone
	Was    int64  `json:"was"`
	Now    int64  `json:"now"`
	Detail string `json:"detail"`
}

// The expressions for what holds at this moment. Outside the dates of a price p its list price holds; without one the SKU
// has no price and isn't sold. Of stock i is free what isn't reserved; a hold past its time holds nothing, whether it was
// swept or not.
const (
	priceNow = `case when (p.valid_from is null or p.valid_from <= now()) and (p.valid_to is null or now() < p.valid_to)
		then p.amount else nullif(p.list_amount, 0) end`
	stockNow = `i.on_hand - i.reserved + coalesce((select sum(r.quantity)::bigint from reservations r
		where r.store_id = i.store_id and r.sku = i.sku and r.state = 'active' and r.expires_at <= now()), 0)`
)

// cartRow is a line beside what holds now.
type cartRow struct {
	sku            string
	product        int64
	options        map[string]string
	quantity, seen int64
	price          *int64 // nil: not for sale
	free           int64
}

// rows reads the cart's lines, the oldest first.
func (k *cart) rows(ctx context.Context, tx pgx.Tx) ([]cartRow, error) {
	const query = `select c.sku, v.product_id, v.options, c.quantity, c.unit_amount,
		case when o.status = 'active' and d.status = 'active' then ` + priceNow + ` end, coalesce(` + stockNow + `, 0)
		from cart_items c join variants v on v.sku = c.sku join products d on d.id = v.product_id
		left join offers o on o.store_id = $2 and o.product_id = v.product_id
		left join prices p on p.store_id = $2 and p.sku = c.sku
		left join inventory i on i.store_id = $2 and i.sku = c.sku
		where c.cart_id = $1 order by c.added_at, c.sku`
	rows, err := tx.Query(ctx, query, k.id, k.store.id)
	if err != nil {
		return nil, fmt.Errorf("read cart %d: %w", k.id, err)
	}
	found, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (r cartRow, err error) {
		return r, row.Scan(&r.sku, &r.product, &r.options, &r.quantity, &r.seen, &r.price, &r.free)
	})
	if err != nil {
		return nil, fmt.Errorf("read cart %d: %w", k.id, err)
	}
	return found, nil
}

// change says what is another for the row, nil when nothing is. A line has one change, the worst: of what can't be had the
// price doesn't matter.
func (r *cartRow) change() *CartChange {
	switch {
	case r.price == nil:
		return &CartChange{SKU: r.sku, Kind: "gone", Was: r.quantity, Detail: r.sku + " isn't for sale any more."}
	case r.free <= 0:
		return &CartChange{SKU: r.sku, Kind: "quantity", Was: r.quantity, Detail: r.sku + " is out of stock."}
	case r.free < r.quantity:
		return &CartChange{SKU: r.sku, Kind: "quantity", Was: r.quantity, Now: r.free, Detail: fmt.Sprintf("Only %d of %s are left.", r.free, r.sku)}
	case *r.price > r.seen:
		return &CartChange{SKU: r.sku, Kind: "price", Was: r.seen, Now: *r.price, Detail: "The price of " + r.sku + " has risen."}
	case *r.price < r.seen:
		return &CartChange{SKU: r.sku, Kind: "price", Was: r.seen, Now: *r.price, Detail: "The price of " + r.sku + " has fallen."}
	}
	return nil
}

// emptyCart is what the owner of no cart is shown.
func emptyCart(st store) *Cart {
	return &Cart{Store: st.code, Currency: st.currency, Lines: []CartLine{}, Changes: []CartChange{}}
}

// view shows the cart as it is in the transaction.
func (k *cart) view(ctx context.Context, tx pgx.Tx) (*Cart, error) {
	rows, err := k.rows(ctx, tx)
	if err != nil {
		return nil, err
	}
	v := emptyCart(k.store)
	expires := k.expires.UTC()
	v.Version, v.ExpiresAt = k.version, &expires
	for _, r := range rows {
		unit := r.seen
		if r.price != nil {
			unit = *r.price
		}
		v.Lines = append(v.Lines, CartLine{
			SKU: r.sku, ProductID: r.product, Options: r.options, Quantity: r.quantity, UnitAmount: unit, Amount: unit * r.quantity,
		})
		if r.price != nil {
			v.Subtotal += unit * r.quantity
		}
		if change := r.change(); change != nil {
			v.Changes = append(v.Changes, *change)
		}
	}
	return v, nil
}
