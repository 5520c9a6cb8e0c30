package write

import (
	"context"
	"fmt"
	"net/http"

	"github.com/gofiber/fiber/v2"
	"github.com/jackc/pgx/v5"

	"freshet/api"
)

// CartsMerged is the answer of POST /cart/merge: the customer's carts that took something over, by store.
type CartsMerged struct {
	Carts []*Cart `json:"carts"`
}

// postCartMerge brings what a guest chose into the carts of the customer they turned out to be, store by store. Of a SKU
// in both the larger quantity stays: the sum would double what was put in on two devices, and once more with each repetition.
func (s *Shop) postCartMerge(c *fiber.Ctx) error {
	token := c.Get(headerCart)
	if token == "" {
		return api.Errorf(api.Invalid, "Send the header %s with the guest's token.", headerCart).At(headerCart)
	}
	customer := callerOf(c).account
	var a answer
	ctx := c.UserContext()
	position, err := s.transact(ctx, func(tx *unit) error {
		merged, err := mergeCarts(ctx, tx, customer, digest(token))
		if err != nil {
			return err
		}
		a, err = made(http.StatusOK, 0, merged)
		return err
	})
	if err != nil {
		return err
	}
	return reply(c, a, position, "")
}

func mergeCarts(ctx context.Context, tx pgx.Tx, customer int64, guest []byte) (*CartsMerged, error) {
	// Locked in one order; of two that merge the same carts the second finds none.
	const query = `select k.id, s.id, s.code, s.currency, s.active from carts k join stores s on s.id = k.store_id
		where k.guest = $1 and k.state = 'open'` + notExpired + ` order by k.id for no key update of k`
	rows, err := tx.Query(ctx, query, guest)
	if err != nil {
		return nil, fmt.Errorf("find the guest's carts: %w", err)
	}
	guests, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (k cart, err error) {
		return k, row.Scan(&k.id, &k.store.id, &k.store.code, &k.store.currency, &k.store.active)
	})
	if err != nil {
		return nil, fmt.Errorf("find the guest's carts: %w", err)
	}
	merged := &CartsMerged{Carts: []*Cart{}}
	for _, g := range guests {
		view, err := g.mergeInto(ctx, tx, owner{customer: customer})
		if err != nil {
			return nil, err
		}
		merged.Carts = append(merged.Carts, view)
	}
	return merged, nil
}

func (k *cart) mergeInto(ctx context.Context, tx pgx.Tx, own owner) (*Cart, error) {
	into, err := lockCart(ctx, tx, k.store.named(), own, true, nothing)
	if err != nil {
		return nil, err
	}
	const move = `insert into cart_items (cart_id, sku, quantity, unit_amount, added_at)
		select $2, sku, quantity, unit_amount, added_at from cart_items where cart_id = $1
		on conflict (cart_id, sku) do update set quantity = excluded.quantity, unit_amount = excluded.unit_amount
		where cart_items.quantity < excluded.quantity`
	b := &pgx.Batch{}
	b.Queue(move, k.id, into.id)
	b.Queue(`update carts set state = 'merged', version = version + 1, updated_at = now() where id = $1`, k.id)
	return into.touched(ctx, tx, b)
}
