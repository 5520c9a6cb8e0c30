package write

import (
	"context"
	"fmt"
	"net/http"
	"strconv"

	"github.com/gofiber/fiber/v2"
	"github.com/jackc/pgx/v5"

	"freshet/api"
)

// StockList is a page of a store's stock, by SKU.
type StockList struct {
	Stock []StockRow `json:"stock"`
	// Next is the SKU that the next page begins after; empty on the last.
	Next string `json:"next,omitempty"`
}

// StockRow is the stock of a SKU as it is now.
type StockRow struct {
	SKU        string `json:"sku"`
	ProductID  int64  `json:"product_id"`
	OnHand     int64  `json:"on_hand"`
	Reserved   int64  `json:"reserved"`
	LowStockAt int64  `json:"low_stock_at"`
}

// stockPage is which rows are asked for.
type stockPage struct {
	after string
	low   bool // only what is at its threshold or below
	limit int
}

func readStockPage(c *fiber.Ctx) (p stockPage, err error) {
	query, err := params(c, "after", "low", "limit")
	if err != nil {
		return p, err
	}
	p.after, p.limit = query.Get("after"), 100
	if p.after != "" && !skuPattern.MatchString(p.after) {
		return p, api.Errorf(api.Invalid, "This must be the SKU that the page before said.").At("after")
	}
	if query.Has("low") {
		if p.low, err = strconv.ParseBool(query.Get("low")); err != nil {
			return p, api.Errorf(api.Invalid, "This must be true or false.").At("low")
		}
	}
	if query.Has("limit") {
		if p.limit, err = strconv.Atoi(query.Get("limit")); err != nil || p.limit < 1 || p.limit > maxRows {
			return p, api.Errorf(api.Invalid, "This must be from 1 to %d.", maxRows).At("limit")
		}
	}
	return p, nil
}

// getStock lists the stock that the caller keeps. What a shopper may know of it is in the read models.
func (s *Shop) getStock(c *fiber.Ctx) error {
	page, err := readStockPage(c)
	if err != nil {
		return err
	}
	var list *StockList
	ctx, name, who := c.UserContext(), c.Params("store"), callerOf(c)
	err = pgx.BeginTxFunc(ctx, s.pool, pgx.TxOptions{AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		st, err := storeInPath(ctx, tx, name)
		if err != nil {
			return err
		}
		list, err = listStock(ctx, tx, st, who, page)
		return err
	})
	if err != nil {
		return translate(err)
	}
	c.Set(fiber.HeaderCacheControl, "private, no-store")
	return api.Send(c, http.StatusOK, list)
}

func listStock(ctx context.Context, tx pgx.Tx, st store, who caller, page stockPage) (*StockList, error) {
	const query = `select i.sku, i.product_id, i.on_hand, i.reserved, i.low_stock_at from inventory i join products p on p.id = i.product_id
		where i.store_id = $1 and ($2::bigint is null or p.seller_id = $2) and i.sku collate "C" > $3
		  and (not $4 or i.low_stock_at > 0 and i.on_hand - i.reserved <= i.low_stock_at)
		order by i.sku collate "C" limit $5`
	rows, err := tx.Query(ctx, query, st.id, who.owns(), page.after, page.low, page.limit+1)
	if err != nil {
		return nil, fmt.Errorf("list the stock of store %d: %w", st.id, err)
	}
	list := StockList{}
	if list.Stock, err = pgx.CollectRows(rows, pgx.RowToStructByPos[StockRow]); err != nil {
		return nil, fmt.Errorf("list the stock of store %d: %w", st.id, err)
	}
	if len(list.Stock) > page.limit { // one more tells that there is another page
		list.Stock = list.Stock[:page.limit]
		list.Next = list.Stock[page.limit-1].SKU
	}
	return &list, nil
}
