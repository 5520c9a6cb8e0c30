package write

import (
	"context"
	"net/http"
	"strconv"

	"github.com/gofiber/fiber/v2"
	"github.com/jackc/pgx/v5"

	"freshet/api"
)

func (s *Shop) getCart(c *fiber.Ctx) error {
	query, err := params(c, "store")
	if err != nil {
		return err
	}
	own, err := ownerOf(c, false)
	if err != nil {
		return err
	}
	view, err := s.readCart(c.UserContext(), own, query.Get("store"))
	if err != nil {
		return err
	}
	c.Set(fiber.HeaderCacheControl, "private, no-store")
	return api.Send(c, http.StatusOK, view)
}

func (s *Shop) readCart(ctx context.Context, own owner, name string) (*Cart, error) {
	k, lines, err := cartOf(ctx, s.pool, name, own)
	if err != nil {
		return nil, translate(unknownStore(err, name))
	}
	if k.id == 0 {
		return emptyCart(k.store), nil
	}
	return k.view(lines), nil
}

func (s *Shop) postCartItem(c *fiber.Ctx) error {
	product, r, err := readCartItem(c, false)
	if err != nil {
		return err
	}
	own, err := ownerOf(c, true)
	if err != nil {
		return err
	}
	var all []variant
	change := cartChange{own: own, store: r.Store, version: r.Version, open: true, request: []any{product, r}, ask: askVariants(product, &all)}
	if change.key, err = idempotencyKey(c, false); err != nil {
		return err
	}
	return s.changeCart(c, change, func(k *cart, b *pgx.Batch) error {
		v, err := r.pick(all, product)
		if err != nil {
			return err
		}
		return k.add(b, v, r.Quantity)
	})
}

func (s *Shop) putCartItem(c *fiber.Ctx) error {
	product, r, err := readCartItem(c, true)
	if err != nil {
		return err
	}
	own, err := ownerOf(c, false)
	if err != nil {
		return err
	}
	var all []variant
	change := cartChange{own: own, store: r.Store, version: r.Version, ask: askVariants(product, &all)}
	return s.changeCart(c, change, func(k *cart, b *pgx.Batch) error {
		v, err := r.pick(all, product)
		if err != nil {
			return err
		}
		return k.set(b, v, r.Quantity)
	})
}

func readCartItem(c *fiber.Ctx, versioned bool) (product int64, r *CartItemRequest, err error) {
	if product, err = idParam(c, "product"); err != nil {
		return 0, nil, err
	}
	r = &CartItemRequest{}
	if err := api.Body(c, r); err != nil {
		return 0, nil, err
	}
	return product, r, r.check(versioned)
}

func (s *Shop) deleteCartItem(c *fiber.Ctx) error {
	product, err := idParam(c, "product")
	if err != nil {
		return err
	}
	query, err := params(c, "store", "version", "sku")
	if err != nil {
		return err
	}
	version, err := strconv.ParseInt(query.Get("version"), 10, 64)
	if err != nil || version < 0 {
		return api.Errorf(api.Invalid, "This must be the version of the cart that is changed.").At("version")
	}
	var sku *string
	if query.Has("sku") {
		name := query.Get("sku")
		if !skuPattern.MatchString(name) {
			return api.Errorf(api.Invalid, "This can't be a SKU.").At("sku")
		}
		sku = &name
	}
	own, err := ownerOf(c, false)
	if err != nil {
		return err
	}
	return s.changeCart(c, cartChange{own: own, store: query.Get("store"), version: &version, ask: nothing}, func(k *cart, b *pgx.Batch) error {
		k.remove(b, product, sku)
		return nil
	})
}

// CartAcceptRequest is the body of POST /cart/accept.
type CartAcceptRequest struct {
	Store   string `json:"store"`
	Version *int64 `json:"version"`
}

func (s *Shop) postCartAccept(c *fiber.Ctx) error {
	var r CartAcceptRequest
	if err := api.Body(c, &r); err != nil {
		return err
	}
	var ch check
	ch.text("store", r.Store, 1, 64)
	if r.Version == nil {
		ch.bad("version", "is needed: the version of the cart whose changes are accepted")
	}
	if err := ch.err(); err != nil {
		return err
	}
	own, err := ownerOf(c, false)
	if err != nil {
		return err
	}
	var lines []cartRow
	change := cartChange{own: own, store: r.Store, version: r.Version, ask: func(b *pgx.Batch, st storeName, o owner) {
		(&cart{}).queueLines(b, st, o, &lines)
	}}
	return s.changeCart(c, change, func(k *cart, b *pgx.Batch) error {
		k.accept(b, lines)
		return nil
	})
}

// cartChange says which cart is changed, and under which conditions.
type cartChange struct {
	own     owner
	store   string
	version *int64
	open    bool   // make the cart where there is none
	key     string // idempotency key, "" for none
	request any    // what the key was used for
	ask     ask    // what the change asks about
}

// changeCart changes the cart under its lock, by what f queues, and answers with what it is then.
func (s *Shop) changeCart(c *fiber.Ctx, change cartChange, f func(k *cart, b *pgx.Batch) error) error {
	var a answer
	ctx := c.UserContext()
	position, err := s.transact(ctx, func(tx *unit) (err error) {
		a, err = once(ctx, tx, change.own.scope(), change.key, change.request, func() (answer, error) {
			view, err := change.carryOut(ctx, tx, f)
			if err != nil {
				return answer{}, err
			}
			return made(http.StatusOK, 0, view)
		})
		return err
	})
	if err != nil {
		return err
	}
	if change.own.token != "" {
		c.Set(headerCart, change.own.token)
	}
	return reply(c, a, position, "")
}

func (ch *cartChange) carryOut(ctx context.Context, tx pgx.Tx, f func(*cart, *pgx.Batch) error) (*Cart, error) {
	k, err := ch.begin(ctx, tx)
	if err != nil {
		return nil, unknownInBody(err, ch.store, "store")
	}
	if err := k.store.open(); err != nil {
		return nil, err
	}
	if k.id == 0 {
		return nil, api.Errorf(api.NotFound, "There is nothing in the cart.")
	}
	if err := k.at(ch.version); err != nil {
		return nil, err
	}
	b := &pgx.Batch{}
	if err := f(k, b); err != nil {
		return nil, err
	}
	return k.touched(ctx, tx, b)
}

// begin locks the cart and asks what the change asks about.
func (ch *cartChange) begin(ctx context.Context, tx pgx.Tx) (*cart, error) {
	st, err := parseStore(ch.store)
	if err != nil {
		return nil, err
	}
	return lockCart(ctx, tx, st, ch.own, ch.open, ch.ask)
}
