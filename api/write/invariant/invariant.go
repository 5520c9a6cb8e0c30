// Package invariant says what is true of stock, orders and payments at every moment, whoever changes them and however many
// at once. The tests of api/write, the storms in deploy/e2e and `freshet bench checkout` ask it while they run.
//
// All is asked in one statement, so of one snapshot: a transaction that is half done is not seen, and what is found broken
// was committed so. The rules count rows against rows and believe no column that api/write keeps for itself.
package invariant

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
)

// rules are queries for the number of rows that break each.
var rules = []struct{ what, query string }{
	{"levels that differ from the ledger's sum", `select count(*) from (
		select coalesce(i.on_hand, 0) - coalesce(m.sum, 0) as d from inventory i full join
		  (select store_id, sku, sum(quantity) from stock_movements where kind in ('receipt','sale','return','adjustment') group by 1, 2) m
		  using (store_id, sku)) x where d <> 0`},
	{"reserved levels that differ from the ledger's sum", `select count(*) from (
		select coalesce(i.reserved, 0) + coalesce(m.sum, 0) as d from inventory i full join
		  (select store_id, sku, sum(quantity) from stock_movements where kind in ('hold','release') group by 1, 2) m
		  using (store_id, sku)) x where d <> 0`},
	{"reserved levels that differ from the active reservations", `select count(*) from (
		select coalesce(i.reserved, 0) - coalesce(r.sum, 0) as d from inventory i full join
		  (select store_id, sku, sum(quantity) from reservations where state = 'active' group by 1, 2) r
		  using (store_id, sku)) x where d <> 0`},
	{"levels below nothing or below what is reserved", `select count(*) from inventory where on_hand < reserved or reserved < 0`},
	{"SKUs of which more was sold and held than came in", `select count(*) from (
		select m.sum - coalesce(s.sum, 0) - coalesce(r.sum, 0) as d
		from (select store_id, sku, sum(quantity) from stock_movements where kind in ('receipt','adjustment') group by 1, 2) m
		left join (select o.store_id, l.sku, sum(l.quantity) from order_items l join orders o on o.id = l.order_id
		  where l.status = 'placed' and (o.status = 'paid' and exists (select from order_addresses a where a.order_id = o.id))
		  group by 1, 2) s using (store_id, sku)
		left join (select store_id, sku, sum(quantity) from reservations where state = 'active' group by 1, 2) r using (store_id, sku)
		) x where d < 0`},
	{"holds of orders that don't wait", `select count(*) from reservations r join orders o on o.id = r.order_id
		where r.state = 'active' and o.status <> 'placed'`},
	{"lines that were sold more than once", `select count(*) from (
		select order_id, sku from stock_movements where kind = 'sale' and order_id is not null group by 1, 2 having count(*) > 1) x`},
	{"movements that were reversed more than once", `select count(*) from (
		select reverses from stock_movements where reverses is not null group by 1 having count(*) > 1) x`},
	{"paid orders that no payment pays", `select count(*) from orders o join order_addresses a on a.order_id = o.id where o.status = 'paid'
		and not exists (select from payments p where p.order_id = o.id and p.pays and p.state in ('captured', 'refunded'))`},
	{"payments that pay an order that isn't there", `select count(*) from payments p join orders o on o.id = p.order_id
		where p.pays and o.status in ('placed', 'expired')`},
	{"orders charged twice", `select count(*) from (select order_id from payments where state = 'captured' and refunded < amount
		and id not in (select payment_id from refunds where state = 'pending') group by 1 having count(*) > 1) x`},
	{"payments whose refunds don't add up", `select count(*) from payments p where refunded <> coalesce(
		(select sum(amount) from refunds r where r.payment_id = p.id and r.state = 'done'), 0)`},
	{"payments of which more is to be given back than was taken", `select count(*) from payments p where amount < coalesce(
		(select sum(amount) from refunds r where r.payment_id = p.id and r.state <> 'failed'), 0)`},
	{"idempotency keys without an answer", `select count(*) from idempotency_keys where state <> 'done' or response_body is null`},
}

// statement asks for all rules at once.
var statement = func() string {
	var parts []string
	for i, r := range rules {
		parts = append(parts, fmt.Sprintf("select %d as rule, (%s) as broken", i, r.query))
	}
	return "select rule, broken from (" + strings.Join(parts, " union all ") + ") x where broken > 0 order by rule"
}()

// Querier is a connection, a pool or a transaction.
type Querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// Broken returns what doesn't hold at this moment, each as a number and of what; nothing when all is well.
func Broken(ctx context.Context, db Querier) (broken []string, err error) {
	rows, err := db.Query(ctx, statement)
	if err != nil {
		return nil, fmt.Errorf("ask for the invariants: %w", err)
	}
	var rule, count int
	if _, err := pgx.ForEachRow(rows, []any{&rule, &count}, func() error {
		broken = append(broken, fmt.Sprintf("%d %s", count, rules[rule].what))
		return nil
	}); err != nil {
		return nil, fmt.Errorf("ask for the invariants: %w", err)
	}
	return broken, nil
}
