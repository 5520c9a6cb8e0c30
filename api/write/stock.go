package write

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/gofiber/fiber/v2"
	"github.com/jackc/pgx/v5"

	"freshet/api"
)

// StockRequest is the body of POST /stores/{store}/stock.
type StockRequest struct {
	Actor     string          `json:"actor,omitempty"` // who says so; of an account it is known
	Movements []StockMovement `json:"movements"`
}

// StockMovement asks for a change of stock: goods that came in (receipt, always more) or a correction (adjustment, more or
// less) after a count, a theft, a breakage. Sales and returns come from orders alone.
type StockMovement struct {
	SKU      string  `json:"sku"`
	Kind     string  `json:"kind"`
	Quantity int64   `json:"quantity"`
	Reason   *string `json:"reason,omitempty"`
}

// StockLevels is the answer: the levels after the movements.
type StockLevels struct {
	Stock []StockLevel `json:"stock"`
}

// StockLevel is how many units of a SKU a store has.
type StockLevel struct {
	SKU      string `json:"sku"`
	OnHand   int64  `json:"on_hand"`
	Reserved int64  `json:"reserved"`
}

func (r *StockRequest) check(who caller) error {
	var c check
	r.Actor = c.actor(r.Actor, who)
	c.count("movements", len(r.Movements), 1, maxRows)
	for i, m := range r.Movements[:min(len(r.Movements), maxRows)] {
		at := fmt.Sprintf("movements[%d]", i)
		c.match(at+".sku", m.SKU, skuPattern)
		switch m.Kind {
		case "receipt":
			c.between(at+".quantity", m.Quantity, 1, maxMovement)
		case "adjustment":
			c.between(at+".quantity", m.Quantity, -maxMovement, maxMovement)
			if m.Quantity == 0 {
				c.bad(at+".quantity", "must not be 0")
			}
		default:
			c.bad(at+".kind", "must be receipt or adjustment")
		}
		if m.Reason != nil {
			c.text(at+".reason", *m.Reason, 1, 500)
		}
	}
	return c.err()
}

// actor is who the ledger says it was. A system of the shop says for whom it speaks; an account speaks for itself.
func (c *check) actor(name string, who caller) string {
	if who.role != service {
		if name != "" {
			c.bad("actor", "is the account")
		}
		return who.String()
	}
	c.text("actor", name, 1, 100)
	return name
}

func (s *Shop) postStock(c *fiber.Ctx) error {
	key, err := idempotencyKey(c, false)
	if err != nil {
		return err
	}
	var r StockRequest
	if err := api.Body(c, &r); err != nil {
		return err
	}
	who := callerOf(c)
	if err := r.check(who); err != nil {
		return err
	}
	var a answer
	ctx, name := c.UserContext(), c.Params("store")
	position, err := s.transact(ctx, func(tx *unit) error {
		st, err := storeInPath(ctx, tx, name)
		if err != nil {
			return err
		}
		a, err = once(ctx, tx, fmt.Sprintf("stock/%d/%s", st.id, who), key, &r, func() (answer, error) {
			levels, err := moveStock(ctx, tx, who, st, &r)
			if err != nil {
				return answer{}, err
			}
			return made(http.StatusOK, 0, StockLevels{Stock: levels})
		})
		return err
	})
	if err != nil {
		return err
	}
	return reply(c, a, position, "")
}

func moveStock(ctx context.Context, tx pgx.Tx, who caller, st store, r *StockRequest) ([]StockLevel, error) {
	skus, moves := make([]string, len(r.Movements)), make([]movement, len(r.Movements))
	for i, m := range r.Movements {
		skus[i] = m.SKU
		moves[i] = movement{sku: m.SKU, quantity: m.Quantity, kind: m.Kind, reason: m.Reason}
	}
	if err := checkOffered(ctx, tx, who, st, "movements", skus); err != nil {
		return nil, err
	}
	if err := ensureInventory(ctx, tx, st, skus); err != nil {
		return nil, err
	}
	slices.SortStableFunc(moves, func(a, b movement) int { return strings.Compare(a.sku, b.sku) })
	if err := apply(ctx, tx, st, r.Actor, moves); err != nil {
		return nil, err
	}
	after, err := levels(ctx, tx, st, skus)
	if err != nil {
		return nil, err
	}
	return after, note(ctx, tx, who, "stock.move", fmt.Sprintf("store/%d", st.id), undone(after, moves), after)
}

// undone are the levels before the movements: the rows are locked, so there were no others.
func undone(after []StockLevel, moves []movement) []StockLevel {
	before := slices.Clone(after)
	for i := range before {
		for _, m := range moves {
			if m.sku == before[i].SKU {
				before[i].OnHand -= m.quantity
			}
		}
	}
	return before
}

// apply moves and records; movements that the stock doesn't allow are a conflict.
func apply(ctx context.Context, tx pgx.Tx, st store, actor string, moves []movement) error {
	short, err := move(ctx, tx, st.id, moves)
	if err != nil {
		return err
	}
	if len(short) > 0 {
		return api.Errorf(api.Conflict, "The stock would fall below what is reserved, or below zero: %s.", strings.Join(short, ", "))
	}
	return record(ctx, tx, st.id, actor, moves)
}

// ensureInventory gives SKUs that were never in stock their row, at zero, as the ledger has it.
func ensureInventory(ctx context.Context, tx pgx.Tx, st store, skus []string) error {
	const insert = `insert into inventory (store_id, sku, product_id)
		select $1, sku, product_id from variants where sku = any($2) order by sku collate "C" on conflict do nothing`
	if _, err := tx.Exec(ctx, insert, st.id, skus); err != nil {
		return fmt.Errorf("make inventory rows in store %d: %w", st.id, err)
	}
	return nil
}

// levels reads the rows in the order of the SKUs, and locks them, in the same order as move does.
func levels(ctx context.Context, tx pgx.Tx, st store, skus []string) ([]StockLevel, error) {
	const query = `select sku, on_hand, reserved from inventory where store_id = $1 and sku = any($2) order by sku collate "C" for no key update`
	rows, err := tx.Query(ctx, query, st.id, skus)
	if err != nil {
		return nil, fmt.Errorf("read stock of store %d: %w", st.id, err)
	}
	found, err := pgx.CollectRows(rows, pgx.RowToStructByPos[StockLevel])
	if err != nil {
		return nil, fmt.Errorf("read stock of store %d: %w", st.id, err)
	}
	return found, nil
}
