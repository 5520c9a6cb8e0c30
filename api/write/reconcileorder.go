package write

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// orderCheck finds orders that don't agree with their holds or payments: all, or one.
type orderCheck struct {
	name, query string
}

// Columns are store, SKU, order, payment, have and want; $1 is an order or null.
var orderChecks = []orderCheck{
	// Goods that an order holds which doesn't wait for its money.
	{"stale hold", `select r.store_id, r.sku, o.id, 0::bigint, sum(r.quantity)::bigint, 0::bigint from reservations r join orders o on o.id = r.order_id
		where r.state = 'active' and o.status <> 'placed' and ($1::bigint is null or o.id = $1) group by 1, 2, 3 order by 3, 2`},
	// Orders that count as paid, have payments, and none that pays them.
	{"unpaid", `select 0::bigint, '', o.id, 0::bigint, 0::bigint, o.total from orders o
		where o.status in ('paid', 'shipped', 'delivered', 'refunded') and ($1::bigint is null or o.id = $1)
		and exists (select from payments p where p.order_id = o.id) and not exists (
			select from payments p where p.order_id = o.id and p.pays and p.state in ('captured', 'refunded')) order by o.id`},
	// Money that was taken, pays nothing, and isn't on its way back.
	{"money owed", `select 0::bigint, '', o.id, p.id, p.amount - x.back, 0::bigint from payments p join orders o on o.id = p.order_id
		cross join lateral (select coalesce(sum(amount), 0)::bigint as back from refunds r where r.payment_id = p.id and r.state <> 'failed') x
		where p.state = 'captured' and not p.pays and x.back < p.amount and ($1::bigint is null or o.id = $1)
		and not (o.status in ('paid', 'shipped', 'delivered', 'refunded') and not exists (select from payments q where q.order_id = o.id and q.pays)) order by p.id`},
	// What was given back, counted twice.
	{"refunds", `select 0::bigint, '', p.order_id, p.id, p.refunded, x.back from payments p
		cross join lateral (select coalesce(sum(amount), 0)::bigint as back from refunds r where r.payment_id = p.id and r.state = 'done') x
		where p.refunded <> x.back and ($1::bigint is null or p.order_id = $1) order by p.id`},
}

func (k orderCheck) run(ctx context.Context, tx pgx.Tx, order *int64) ([]Discrepancy, error) {
	rows, err := tx.Query(ctx, k.query, order)
	if err != nil {
		return nil, fmt.Errorf("check for %s: %w", k.name, err)
	}
	found, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (Discrepancy, error) {
		d := Discrepancy{Check: k.name}
		return d, row.Scan(&d.Store, &d.SKU, &d.Order, &d.Payment, &d.Have, &d.Want)
	})
	if err != nil {
		return nil, fmt.Errorf("check for %s: %w", k.name, err)
	}
	return found, nil
}

// mendOrder mends what a locked order shows and looks at it again.
func mendOrder(ctx context.Context, tx pgx.Tx, d *Discrepancy, o ReconcileOptions) error {
	order, err := lockKnownOrder(ctx, tx, d.Order)
	if err != nil {
		return err
	}
	switch d.Check {
	case "stale hold":
		err = dropHolds(ctx, tx, order, o)
	case "unpaid":
		err = payBy(ctx, tx, order.id)
	case "money owed":
		// What follows from an order's payments is for one function to say.
		err = settle(ctx, tx, order)
	case "refunds":
		err = recountRefunds(ctx, tx, d.Payment)
	}
	if err != nil {
		return err
	}
	for _, check := range orderChecks {
		if check.name != d.Check {
			continue
		}
		left, err := check.run(ctx, tx, &d.Order)
		if err != nil {
			return err
		}
		if len(left) > 0 {
			return fmt.Errorf("order %d still shows %s", d.Order, d.Check)
		}
	}
	return nil
}

// dropHolds lets the holds of an order go that is over or has its goods.
func dropHolds(ctx context.Context, tx pgx.Tx, order *orderRow, o ReconcileOptions) error {
	b := &pgx.Batch{}
	order.letGo(b, "released", o.Reason)
	return order.write(ctx, tx, b)
}

// payBy finds the payment that should pay the order: the first whose money was taken and not given back.
func payBy(ctx context.Context, tx pgx.Tx, order int64) error {
	const update = `update payments set pays = true, version = version + 1 where id = (select p.id from payments p
		where p.order_id = $1 and p.state = 'captured' and not exists (select from refunds r where r.payment_id = p.id and r.state <> 'failed')
		and not exists (select from payments q where q.order_id = $1 and q.pays) order by p.id limit 1) returning id`
	var id int64
	err := tx.QueryRow(ctx, update, order).Scan(&id)
	if errors.Is(err, pgx.ErrNoRows) {
		return fmt.Errorf("no payment of order %d has brought money: ask the customer for it, or cancel the order", order)
	}
	if err != nil {
		return fmt.Errorf("find what pays order %d: %w", order, err)
	}
	return nil
}

// recountRefunds counts what was given back of a payment again.
func recountRefunds(ctx context.Context, tx pgx.Tx, id int64) error {
	const update = `update payments p set refunded = x.back, version = version + 1,
		state = case when x.back = p.amount then 'refunded' when p.state = 'refunded' then 'captured' else p.state end
		from (select coalesce(sum(amount), 0)::bigint as back from refunds where payment_id = $1 and state = 'done') x where p.id = $1`
	if _, err := tx.Exec(ctx, update, id); err != nil {
		return fmt.Errorf("count the refunds of payment %d: %w", id, err)
	}
	return nil
}
