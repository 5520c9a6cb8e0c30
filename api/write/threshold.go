package write

import (
	"context"
	"fmt"

	"github.com/gofiber/fiber/v2"
	"github.com/jackc/pgx/v5"

	"freshet/api"
)

// ThresholdsRequest is the body of PUT /stores/{store}/stock/thresholds.
type ThresholdsRequest struct {
	Thresholds []Threshold `json:"thresholds"`
}

// Threshold is how many units of a SKU are few: with as many left, or fewer, its seller is alerted; 0 for never.
type Threshold struct {
	SKU        string `json:"sku"`
	LowStockAt *int64 `json:"low_stock_at"`
}

func (r *ThresholdsRequest) check() error {
	var c check
	c.count("thresholds", len(r.Thresholds), 1, maxRows)
	seen := map[string]bool{}
	for i, t := range r.Thresholds[:min(len(r.Thresholds), maxRows)] {
		at := fmt.Sprintf("thresholds[%d]", i)
		c.match(at+".sku", t.SKU, skuPattern)
		unique(&c, seen, at+".sku", t.SKU)
		if t.LowStockAt == nil {
			c.bad(at+".low_stock_at", "is needed")
			continue
		}
		c.between(at+".low_stock_at", *t.LowStockAt, 0, maxMovement)
	}
	return c.err()
}

func (s *Shop) putThresholds(c *fiber.Ctx) error {
	var r ThresholdsRequest
	if err := api.Body(c, &r); err != nil {
		return err
	}
	if err := r.check(); err != nil {
		return err
	}
	who := callerOf(c)
	return s.changeStore(c, func(ctx context.Context, tx pgx.Tx, st store) (int64, error) {
		return setThresholds(ctx, tx, who, st, &r)
	})
}

// setThresholds writes the thresholds that aren't so already.
func setThresholds(ctx context.Context, tx pgx.Tx, who caller, st store, r *ThresholdsRequest) (int64, error) {
	skus, marks := make([]string, len(r.Thresholds)), make([]int64, len(r.Thresholds))
	for i, t := range r.Thresholds {
		skus[i], marks[i] = t.SKU, *t.LowStockAt
	}
	if err := checkOffered(ctx, tx, who, st, "thresholds", skus); err != nil {
		return 0, err
	}
	if err := ensureInventory(ctx, tx, st, skus); err != nil {
		return 0, err
	}
	was, err := markLow(ctx, tx, st, skus, marks)
	if err != nil || len(was) == 0 {
		return 0, err
	}
	return int64(len(was)), note(ctx, tx, who, "stock.thresholds", fmt.Sprintf("store/%d", st.id), was, r.Thresholds)
}

// markLow locks the rows in the order of the SKUs, as everyone does, and only those that it changes. It returns what those
// were.
func markLow(ctx context.Context, tx pgx.Tx, st store, skus []string, marks []int64) ([]Threshold, error) {
	const update = `with x as (select i.sku, x.low, i.low_stock_at as was from inventory i join unnest($2::text[], $3::bigint[]) as x(sku, low) using (sku)
		  where i.store_id = $1 and i.low_stock_at <> x.low order by i.sku collate "C" for no key update of i)
		update inventory i set low_stock_at = x.low, version = version + 1 from x where i.store_id = $1 and i.sku = x.sku
		returning i.sku, x.was`
	rows, err := tx.Query(ctx, update, st.id, skus, marks)
	if err != nil {
		return nil, fmt.Errorf("set the low stock marks of store %d: %w", st.id, err)
	}
	was, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Threshold])
	if err != nil {
		return nil, fmt.Errorf("set the low stock marks of store %d: %w", st.id, err)
	}
	return was, nil
}
