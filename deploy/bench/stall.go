package bench

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// stall is a store of the benchmark's own, with products of one SKU each and customers of its own: what it sells is nobody
// else's.
type stall struct {
	pool      *pgxpool.Pool
	code      string // of the store, and in everything's name
	store     int64
	products  []int64 // product i has the SKU sku(i)
	customers []int64
}

// What a unit costs and what the buyer of one pays; the sum is above what is sent free.
const stallPrice, stallShipping = 6000, 0

func (s *stall) sku(i int) string { return fmt.Sprintf("%s-%d", s.code, i) }

// openStall makes the store with SKUs, without stock, and customers.
func openStall(ctx context.Context, pool *pgxpool.Pool, skus, customers int) (*stall, error) {
	s := &stall{pool: pool, code: fmt.Sprintf("bench-%x", time.Now().UnixNano())}
	err := pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		const head = `with t as (insert into category_trees (code, name) values ($1, $1) returning id)
			insert into stores (code, name, market, currency, languages, tree_id) select $1, $1, 'it', 'EUR', '{it}', id from t returning id`
		if err := tx.QueryRow(ctx, head, s.code).Scan(&s.store); err != nil {
			return err
		}
		var seller int64
		if err := tx.QueryRow(ctx, `insert into sellers (name, slug) values ($1, $1) returning id`, s.code).Scan(&seller); err != nil {
			return err
		}
		var err error
		if s.products, err = ids(ctx, tx, `insert into products (seller_id, type, status, external_id)
			select $1, 'bench', 'active', i::text from generate_series(0, $2 - 1) i order by i returning id`, seller, skus); err != nil {
			return err
		}
		if s.customers, err = ids(ctx, tx, `insert into customers (email) select $1 || '-' || i || '@bench.invalid'
			from generate_series(1, $2::int) i returning id`, s.code, customers); err != nil {
			return err
		}
		return s.stock(ctx, tx)
	})
	if err != nil {
		return nil, fmt.Errorf("make a store to sell from: %w", err)
	}
	return s, nil
}

// stock lists the products in the store, with nothing of them there yet.
func (s *stall) stock(ctx context.Context, tx pgx.Tx) error {
	const item = ` from unnest($1::bigint[]) with ordinality p (id, n)`
	const sku = `$2::text || '-' || n - 1`
	for _, insert := range []struct {
		sql  string
		args []any
	}{
		{`insert into product_texts (product_id, lang, title, slug) select id, 'it', $2::text || ' ' || n, lower(` + sku + `)` + item, []any{s.products, s.code}},
		{`insert into variants (sku, product_id) select ` + sku + `, id` + item, []any{s.products, s.code}},
		{`insert into offers (store_id, product_id) select $2, id` + item, []any{s.products, s.store}},
		{`insert into prices (store_id, sku, product_id, amount) select $3, ` + sku + `, id, $4` + item, []any{s.products, s.code, s.store, stallPrice}},
		{`insert into inventory (store_id, sku, product_id) select $3, ` + sku + `, id` + item, []any{s.products, s.code, s.store}},
	} {
		if _, err := tx.Exec(ctx, insert.sql, insert.args...); err != nil {
			return err
		}
	}
	return nil
}

func ids(ctx context.Context, tx pgx.Tx, sql string, args ...any) ([]int64, error) {
	rows, err := tx.Query(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[int64])
}

// receive enters units of every SKU, and in the ledger.
func (s *stall) receive(ctx context.Context, units int) error {
	// Locked by SKU, as everybody locks stock.
	const receipt = `with rows as (select sku from inventory where store_id = $1 order by sku collate "C" for no key update),
		moved as (update inventory i set on_hand = on_hand + $2, version = version + 1 from rows r where i.store_id = $1 and i.sku = r.sku
			returning i.sku, i.product_id)
		insert into stock_movements (store_id, sku, product_id, kind, quantity, reason, actor)
		select $1, sku, product_id, 'receipt', $2, 'benchmark', 'freshet bench' from moved`
	if _, err := s.pool.Exec(ctx, receipt, s.store, units); err != nil {
		return fmt.Errorf("receive %d units: %w", units, err)
	}
	return nil
}

// settled waits until nothing more is to be asked of the payment provider, as long as there is less and less of it, and returns how
// much is left when there was no less for the patience.
func (s *stall) settled(ctx context.Context, patience time.Duration) (left int64, err error) {
	const query = `select count(*) from payment_tasks t join payments p on p.id = t.payment_id join orders o on o.id = p.order_id
		where o.store_id = $1 and t.state = 'due'`
	least, deadline := int64(math.MaxInt64), time.Now().Add(patience)
	for {
		if err := s.pool.QueryRow(ctx, query, s.store).Scan(&left); err != nil {
			return 0, fmt.Errorf("look for payments under way: %w", err)
		}
		if left == 0 {
			return 0, nil
		}
		if left < least {
			least, deadline = left, time.Now().Add(patience)
		}
		if time.Now().After(deadline) || !sleepUntil(ctx, time.Now().Add(200*time.Millisecond)) {
			return left, ctx.Err()
		}
	}
}

// close ends the store. What was sold stays, since the ledger is append-only: what is left is written off, through the ledger
// as well, and nothing of it is for sale any more.
func (s *stall) close(ctx context.Context) error {
	err := pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		for _, step := range []struct {
			sql string
			arg any
		}{
			{`with rows as (select sku, on_hand - reserved as free from inventory where store_id = $1 and on_hand > reserved
				order by sku collate "C" for no key update),
			moved as (update inventory i set on_hand = on_hand - r.free, version = version + 1 from rows r
				where i.store_id = $1 and i.sku = r.sku returning i.sku, i.product_id, r.free)
			insert into stock_movements (store_id, sku, product_id, kind, quantity, reason, actor)
			select $1, sku, product_id, 'adjustment', -free, 'benchmark', 'freshet bench' from moved`, s.store},
			{`delete from carts where store_id = $1`, s.store},
			{`update products set status = 'archived', version = version + 1, updated_at = now() where id = any($1)`, s.products},
			{`update stores set active = false where id = $1`, s.store},
		} {
			if _, err := tx.Exec(ctx, step.sql, step.arg); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("close the store %s: %w", s.code, err)
	}
	return nil
}
