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

// TransferRequest is the body of POST /stock/transfers: goods leave one store and come in at another.
type TransferRequest struct {
	Actor  string         `json:"actor,omitempty"` // who says so; of an account it is known
	From   string         `json:"from"`
	To     string         `json:"to"`
	Lines  []TransferLine `json:"lines"`
	Reason *string        `json:"reason,omitempty"`
}

// TransferLine is how many units of a SKU go.
type TransferLine struct {
	SKU      string `json:"sku"`
	Quantity int64  `json:"quantity"`
}

// Transferred is the answer: the levels of both stores after it.
type Transferred struct {
	From []StockLevel `json:"from"`
	To   []StockLevel `json:"to"`
}

func (r *TransferRequest) check(who caller) error {
	var c check
	r.Actor = c.actor(r.Actor, who)
	c.text("from", r.From, 1, 64)
	c.text("to", r.To, 1, 64)
	c.count("lines", len(r.Lines), 1, maxRows)
	seen := map[string]bool{}
	for i, l := range r.Lines[:min(len(r.Lines), maxRows)] {
		at := fmt.Sprintf("lines[%d]", i)
		c.match(at+".sku", l.SKU, skuPattern)
		unique(&c, seen, at+".sku", l.SKU)
		c.between(at+".quantity", l.Quantity, 1, maxMovement)
	}
	if r.Reason != nil {
		c.text("reason", *r.Reason, 1, 400)
	}
	return c.err()
}

func (s *Shop) postTransfer(c *fiber.Ctx) error {
	key, err := idempotencyKey(c, false)
	if err != nil {
		return err
	}
	var r TransferRequest
	if err := api.Body(c, &r); err != nil {
		return err
	}
	who := callerOf(c)
	if err := r.check(who); err != nil {
		return err
	}
	var a answer
	ctx := c.UserContext()
	position, err := s.transact(ctx, func(tx *unit) error {
		a, err = once(ctx, tx, "transfers/"+who.String(), key, &r, func() (answer, error) {
			levels, err := transferStock(ctx, tx, who, &r)
			if err != nil {
				return answer{}, err
			}
			return made(http.StatusOK, 0, levels)
		})
		return err
	})
	if err != nil {
		return err
	}
	return reply(c, a, position, "")
}

// side is one of the two stores of a transfer, with what the ledger is told there.
type side struct {
	store store
	moves []movement
}

func transferStock(ctx context.Context, tx pgx.Tx, who caller, r *TransferRequest) (*Transferred, error) {
	from, err := storeInBody(ctx, tx, r.From, "from")
	if err != nil {
		return nil, err
	}
	to, err := storeInBody(ctx, tx, r.To, "to")
	if err != nil {
		return nil, err
	}
	if from.id == to.id {
		return nil, api.Errorf(api.Unprocessable, "The goods are there already.").At("to")
	}
	sent, received := r.sides(from, to)
	skus := make([]string, len(r.Lines))
	for i, l := range r.Lines {
		skus[i] = l.SKU
	}
	// Whoever changes stock of several stores does it in the order of their ids, so that no two wait for each other.
	both := []*side{sent, received}
	slices.SortFunc(both, func(a, b *side) int { return int(a.store.id - b.store.id) })
	for _, at := range both {
		if err := checkOffered(ctx, tx, who, at.store, "lines", skus); err != nil {
			return nil, err
		}
		if err := ensureInventory(ctx, tx, at.store, skus); err != nil {
			return nil, err
		}
		if err := apply(ctx, tx, at.store, r.Actor, at.moves); err != nil {
			return nil, err
		}
	}
	if err := link(ctx, tx, sent.moves, received.moves); err != nil {
		return nil, err
	}
	var after Transferred
	if after.From, err = levels(ctx, tx, from, skus); err != nil {
		return nil, err
	}
	if after.To, err = levels(ctx, tx, to, skus); err != nil {
		return nil, err
	}
	before := Transferred{From: undone(after.From, sent.moves), To: undone(after.To, received.moves)}
	return &after, note(ctx, tx, who, "stock.transfer", fmt.Sprintf("store/%d", from.id), before, after)
}

// sides are the movements in both stores, by SKU: a correction where the goods leave, a receipt where they come in.
func (r *TransferRequest) sides(from, to store) (sent, received *side) {
	why := ""
	if r.Reason != nil {
		why = ": " + *r.Reason
	}
	there, here := "to "+to.code+why, "from "+from.code+why
	sent, received = &side{store: from}, &side{store: to}
	lines := slices.SortedFunc(slices.Values(r.Lines), func(a, b TransferLine) int { return strings.Compare(a.SKU, b.SKU) })
	for _, l := range lines {
		sent.moves = append(sent.moves, movement{sku: l.SKU, quantity: -l.Quantity, kind: "adjustment", reason: &there})
		received.moves = append(received.moves, movement{sku: l.SKU, quantity: l.Quantity, kind: "receipt", reason: &here})
	}
	return sent, received
}

// link writes down which movements belong together, so that what left can be told from what was lost.
func link(ctx context.Context, tx pgx.Tx, sent, received []movement) error {
	out, in := make([]int64, len(sent)), make([]int64, len(received))
	for i := range sent {
		out[i], in[i] = sent[i].id, received[i].id
	}
	const insert = `insert into stock_transfers (sent, received) select * from unnest($1::bigint[], $2::bigint[])`
	if _, err := tx.Exec(ctx, insert, out, in); err != nil {
		return fmt.Errorf("link the movements of a transfer: %w", err)
	}
	return nil
}
