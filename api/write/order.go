package write

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/jackc/pgx/v5"

	"freshet/api"
)

// OrderRequest is the body of POST /orders. It sets no price: what a thing costs is not the client's to say.
type OrderRequest struct {
	CustomerID int64       `json:"customer_id"`
	Store      string      `json:"store"`
	Lines      []OrderLine `json:"lines"`
}

// OrderLine asks for units of one SKU.
type OrderLine struct {
	SKU      string `json:"sku"`
	Quantity int64  `json:"quantity"`
	// Expected is what the buyer was shown a unit for. The order is refused if a unit costs anything else when it is placed, which may be
	// long after it was sent.
	Expected *int64 `json:"expected_amount,omitempty"`
}

// Order is an order as the API shows it; amounts are minor units of the currency.
type Order struct {
	ID         int64  `json:"id"`
	CustomerID int64  `json:"customer_id"`
	Store      string `json:"store"`
	Status     string `json:"status"`
	Currency   string `json:"currency"`
	Totals
	PlacedAt time.Time `json:"placed_at"`
	// ExpiresAt is until when the order waits for its money; without one it doesn't wait.
	ExpiresAt *time.Time     `json:"expires_at,omitempty"`
	Lines     []OrderItem    `json:"lines"`
	Payments  []OrderPayment `json:"payments"`
	Shipments []Shipment     `json:"shipments,omitempty"`
	Returns   []Return       `json:"returns,omitempty"`
}

// OrderItem is a line of an order at the price agreed.
type OrderItem struct {
	Line       int    `json:"line"`
	SKU        string `json:"sku"`
	ProductID  int64  `json:"product_id"`
	Quantity   int64  `json:"quantity"`
	UnitAmount int64  `json:"unit_amount"`
	Status     string `json:"status"`
}

func (r *OrderRequest) check() error {
	var c check
	c.id("customer_id", r.CustomerID)
	c.text("store", r.Store, 1, 64)
	c.count("lines", len(r.Lines), 1, maxLines)
	sums := map[string]int64{}
	for i, l := range r.Lines {
		c.match(fmt.Sprintf("lines[%d].sku", i), l.SKU, skuPattern)
		field := fmt.Sprintf("lines[%d].quantity", i)
		c.between(field, l.Quantity, 1, maxPerOrder)
		if l.Expected != nil {
			c.between(fmt.Sprintf("lines[%d].expected_amount", i), *l.Expected, 0, maxMoney)
		}
		if sums[l.SKU] += min(max(l.Quantity, 0), maxPerOrder); sums[l.SKU] > maxPerOrder {
			c.bad(field, "brings the units of this SKU above %d", maxPerOrder)
		}
	}
	return c.err()
}

// merged returns one line per SKU, in the order of the SKUs, which is the order in which stock is locked. Two lines of one
// SKU that were checked apart could each find enough and together take too much.
func (r *OrderRequest) merged() []OrderLine {
	sums := map[string]int64{}
	for _, l := range r.Lines {
		sums[l.SKU] += l.Quantity
	}
	lines := make([]OrderLine, 0, len(sums))
	for sku, quantity := range sums {
		lines = append(lines, OrderLine{SKU: sku, Quantity: quantity})
	}
	slices.SortFunc(lines, func(a, b OrderLine) int { return strings.Compare(a.SKU, b.SKU) })
	return lines
}

// skus are what the request asks for, each once.
func (r *OrderRequest) skus() []string {
	lines := r.merged()
	skus := make([]string, 0, len(lines))
	for _, l := range lines {
		skus = append(skus, l.SKU)
	}
	return skus
}

// field names the first line of the request that asks for the SKU.
func (r *OrderRequest) field(sku string) string {
	i := slices.IndexFunc(r.Lines, func(l OrderLine) bool { return l.SKU == sku })
	return fmt.Sprintf("lines[%d].sku", i)
}

func (s *Shop) postOrder(c *fiber.Ctx) error {
	key, err := idempotencyKey(c, true)
	if err != nil {
		return err
	}
	var r OrderRequest
	if err := api.Body(c, &r); err != nil {
		return err
	}
	if err := r.check(); err != nil {
		return err
	}
	if err := s.limits.skus(c.UserContext(), r.skus()); err != nil {
		return err
	}
	return s.placeOrQueue(c, placing{
		route: "orders", customer: r.CustomerID, key: key, request: &r,
		place:    func(ctx context.Context) (answer, string, error) { return s.place(ctx, key, &r) },
		location: func(a answer) string { return fmt.Sprintf("/api/v1/orders/%d?customer_id=%d", a.id, r.CustomerID) },
	})
}

// place carries the order out, or answers as it did when it has been.
func (s *Shop) place(ctx context.Context, key string, r *OrderRequest) (a answer, position string, err error) {
	position, err = s.transact(ctx, func(tx *unit) error {
		a, err = placeIn(ctx, tx, key, r)
		return err
	})
	return a, position, err
}

func placeIn(ctx context.Context, tx *unit, key string, r *OrderRequest) (answer, error) {
	return once(ctx, tx, fmt.Sprintf("orders/%d", r.CustomerID), key, r, func() (answer, error) {
		o, err := placeOrder(ctx, tx, r)
		if err != nil {
			return answer{}, err
		}
		return made(http.StatusCreated, o.ID, o)
	})
}

func placeOrder(ctx context.Context, tx pgx.Tx, r *OrderRequest) (*Order, error) {
	st, err := storeInBody(ctx, tx, r.Store, "store")
	if err != nil {
		return nil, err
	}
	if err := st.open(); err != nil {
		return nil, err
	}
	o := &Order{CustomerID: r.CustomerID, Store: st.code, Status: "placed", Currency: st.currency, Payments: []OrderPayment{}}
	lines := r.merged()
	if o.Lines, err = priced(ctx, tx, st, r, lines); err != nil {
		return nil, err
	}
	moves := make([]movement, len(lines))
	for i, l := range lines {
		o.Items += o.Lines[i].UnitAmount * l.Quantity
		moves[i] = movement{sku: l.SKU, quantity: -l.Quantity, kind: "sale", order: &o.ID}
	}
	o.Total = o.Items
	short, err := move(ctx, tx, st.id, moves)
	if err != nil {
		return nil, err
	}
	if len(short) > 0 {
		return nil, outOfStock(short, r.field)
	}
	if err := insertOrder(ctx, tx, st, o); err != nil {
		return nil, err
	}
	return o, record(ctx, tx, st.id, "checkout", moves)
}

// outOfStock names the SKUs, each by the field of the request that asks for it.
func outOfStock(short []string, field func(sku string) string) error {
	e := api.Errorf(api.OutOfStock, "There is not as much to be had of %s.", strings.Join(short, ", "))
	for _, sku := range short {
		e.Fields = append(e.Fields, api.Field{Field: field(sku), Detail: sku + " is out of stock in this quantity"})
	}
	return e
}

// priced finds what each line costs now.
func priced(ctx context.Context, tx pgx.Tx, st store, r *OrderRequest, lines []OrderLine) ([]OrderItem, error) {
	const query = `select p.sku, p.product_id,
		` + priceNow + `,
		o.status = 'active' and d.status = 'active'
		from prices p join offers o on o.store_id = p.store_id and o.product_id = p.product_id join products d on d.id = p.product_id
		where p.store_id = $1 and p.sku = any($2)`
	skus := make([]string, len(lines))
	for i, l := range lines {
		skus[i] = l.SKU
	}
	rows, err := tx.Query(ctx, query, st.id, skus)
	if err != nil {
		return nil, fmt.Errorf("read prices in store %d: %w", st.id, err)
	}
	type price struct {
		product int64
		amount  *int64
		sold    bool
	}
	prices, sku, p := map[string]price{}, "", price{}
	if _, err := pgx.ForEachRow(rows, []any{&sku, &p.product, &p.amount, &p.sold}, func() error {
		prices[sku] = p
		return nil
	}); err != nil {
		return nil, fmt.Errorf("read prices in store %d: %w", st.id, err)
	}
	var c check
	items := make([]OrderItem, len(lines))
	for i, l := range lines {
		p, ok := prices[l.SKU]
		if !ok || !p.sold || p.amount == nil {
			c.bad(r.field(l.SKU), "%s isn't for sale in store %s", l.SKU, st.code)
			continue
		}
		items[i] = OrderItem{Line: i + 1, SKU: l.SKU, ProductID: p.product, Quantity: l.Quantity, UnitAmount: *p.amount, Status: "placed"}
	}
	if err := c.err(); err != nil {
		return nil, err
	}
	return items, r.agreed(items)
}

// agreed compares the prices with those that the buyer was shown.
func (r *OrderRequest) agreed(items []OrderItem) error {
	now := make(map[string]int64, len(items))
	for _, item := range items {
		now[item.SKU] = item.UnitAmount
	}
	for i, l := range r.Lines {
		if l.Expected != nil && *l.Expected != now[l.SKU] {
			return api.Errorf(api.Conflict, "A unit of %s costs %d now, not %d.", l.SKU, now[l.SKU], *l.Expected).
				At(fmt.Sprintf("lines[%d].expected_amount", i)).Because(refusedPrice)
		}
	}
	return nil
}

func insertOrder(ctx context.Context, tx pgx.Tx, st store, o *Order) error {
	const insert = `insert into orders (customer_id, store_id, currency, total) values ($1, $2, $3, $4) returning id, placed_at`
	if err := tx.QueryRow(ctx, insert, o.CustomerID, st.id, o.Currency, o.Total).Scan(&o.ID, &o.PlacedAt); err != nil {
		return fmt.Errorf("insert the order: %w", err)
	}
	o.PlacedAt = o.PlacedAt.UTC()
	return o.insertLines(ctx, tx)
}

func (o *Order) insertLines(ctx context.Context, tx pgx.Tx) error {
	batch := &pgx.Batch{}
	o.queueLines(batch)
	if err := tx.SendBatch(ctx, batch).Close(); err != nil {
		return fmt.Errorf("insert the lines of order %d: %w", o.ID, err)
	}
	return nil
}

func (o *Order) queueLines(b *pgx.Batch) {
	for _, l := range o.Lines {
		b.Queue(`insert into order_items (order_id, line, sku, product_id, quantity, unit_amount) values ($1, $2, $3, $4, $5, $6)`,
			o.ID, l.Line, l.SKU, l.ProductID, l.Quantity, l.UnitAmount)
	}
}

// getOrder shows a customer their order; a system of the shop says whose it asks for.
func (s *Shop) getOrder(c *fiber.Ctx) error {
	id, err := idParam(c, "order")
	if err != nil {
		return err
	}
	customer := callerOf(c).account
	if callerOf(c).role == service {
		customer, err = idQuery(c, "customer_id")
	} else {
		_, err = params(c)
	}
	if err != nil {
		return err
	}
	var o *Order
	ctx := c.UserContext()
	options := pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}
	err = pgx.BeginTxFunc(ctx, s.pool, options, func(tx pgx.Tx) error {
		o, err = readOrder(ctx, tx, id, &customer)
		return err
	})
	if err != nil {
		return translate(err)
	}
	c.Set(fiber.HeaderCacheControl, "private, no-store")
	return api.Send(c, http.StatusOK, o)
}

// readOrder reads an order, of the customer when one is given. Another's is not found, not forbidden: that it exists is
// nobody else's business.
func readOrder(ctx context.Context, tx pgx.Tx, id int64, customer *int64) (*Order, error) {
	const head = `select o.id, o.customer_id, s.code, o.status, o.currency, o.total, o.shipping_total, o.tax_total, o.placed_at, o.expires_at
		from orders o join stores s on s.id = o.store_id where o.id = $1 and ($2::bigint is null or o.customer_id = $2)`
	const lines = `select line, sku, product_id, quantity, unit_amount, status from order_items where order_id = $1 order by line`
	const paid = `select id, provider, state, amount, refunded from payments where order_id = $1 order by id`
	o := &Order{}
	err := tx.QueryRow(ctx, head, id, customer).Scan(&o.ID, &o.CustomerID, &o.Store, &o.Status, &o.Currency, &o.Total,
		&o.Shipping, &o.Tax, &o.PlacedAt, &o.ExpiresAt)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, api.Errorf(api.NotFound, "There is no order %d.", id)
	}
	if err != nil {
		return nil, fmt.Errorf("read order %d: %w", id, err)
	}
	o.PlacedAt = o.PlacedAt.UTC()
	o.ExpiresAt = utc(o.ExpiresAt)
	rows, err := tx.Query(ctx, lines, id)
	if err != nil {
		return nil, fmt.Errorf("read the lines of order %d: %w", id, err)
	}
	if o.Lines, err = pgx.CollectRows(rows, pgx.RowToStructByPos[OrderItem]); err != nil {
		return nil, fmt.Errorf("read the lines of order %d: %w", id, err)
	}
	if rows, err = tx.Query(ctx, paid, id); err != nil {
		return nil, fmt.Errorf("read the payments of order %d: %w", id, err)
	}
	if o.Payments, err = pgx.CollectRows(rows, pgx.RowToStructByPos[OrderPayment]); err != nil {
		return nil, fmt.Errorf("read the payments of order %d: %w", id, err)
	}
	for _, l := range o.Lines {
		o.Items += l.UnitAmount * l.Quantity
	}
	if o.Shipments, err = readShipments(ctx, tx, id); err != nil {
		return nil, err
	}
	o.Returns, err = readReturns(ctx, tx, id)
	return o, err
}
