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
		where r.store_id = i.store_id and r.sku = i.sku and r.state = 'active' and r.id > 0 and r.expires_at <= now()), 0)`
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

// cartNow reads a cart beside what holds now, a row for each line: version and lines are of one moment, as of any one
// statement. A cart without lines is one row without a SKU.
const (
	cartNow = `select k.id, k.version, k.expires_at, c.sku, v.product_id, v.options, c.quantity, c.unit_amount,
		case when o.status = 'active' and d.status = 'active' then ` + priceNow + ` end, coalesce(` + stockNow + `, 0)
		from carts k
		left join (cart_items c join variants v on v.sku = c.sku join products d on d.id = v.product_id) on c.cart_id = k.id
		left join offers o on o.store_id = k.store_id and o.product_id = v.product_id
		left join prices p on p.store_id = k.store_id and p.sku = c.sku
		left join inventory i on i.store_id = k.store_id and i.sku = c.sku
		where `
	oldestFirst = ` order by c.added_at, c.sku`
)

// scan reads what cartNow has found, the cart's own columns into k.
func (k *cart) scan(rows pgx.Rows) ([]cartRow, error) {
	var lines []cartRow
	_, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (any, error) {
		var sku *string
		var product, quantity, seen *int64
		var r cartRow
		if err := row.Scan(&k.id, &k.version, &k.expires, &sku, &product, &r.options, &quantity, &seen, &r.price, &r.free); err != nil || sku == nil {
			return nil, err
		}
		r.sku, r.product, r.quantity, r.seen = *sku, *product, *quantity, *seen
		lines = append(lines, r)
		return nil, nil
	})
	return lines, err
}

// queueLines asks for the owner's cart and its lines, the oldest first. Where there is no cart k stays as it is.
func (k *cart) queueLines(b *pgx.Batch, st storeName, o owner, lines *[]cartRow) {
	ours, id := o.ours()
	b.Queue(cartNow+ours+notExpired+oldestFirst, st.name, st.id, id).Query(func(rows pgx.Rows) (err error) {
		*lines, err = k.scan(rows)
		return err
	})
}

// cartOf reads the owner's cart in the store and its lines. Its id is 0 where there is none; the store that it would be in is known.
func cartOf(ctx context.Context, db batcher, name string, o owner) (*cart, []cartRow, error) {
	st, err := parseStore(name)
	if err != nil {
		return nil, nil, err
	}
	k, lines, b := &cart{}, []cartRow(nil), &pgx.Batch{}
	st.queue(b, &k.store)
	k.queueLines(b, st, o, &lines)
	if err := db.SendBatch(ctx, b).Close(); err != nil {
		return nil, nil, fmt.Errorf("read a cart in store %q: %w", cut(name, 64), err)
	}
	return k, lines, nil
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

// view shows the cart with its lines.
func (k *cart) view(rows []cartRow) *Cart {
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
	return v
}
