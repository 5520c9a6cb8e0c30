package bench

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// candidate is an offer whose price is changed: it stands on a home page, so it is near the top of a category page too.
type candidate struct {
	store, product, category int64
	code, currency, lang     string  // the store's
	prices                   []price // as they were before, by SKU
}

// price is a row of the table.
type price struct {
	sku      string
	amount   int64
	list     *int64
	from, to *time.Time
}

type offerKey struct{ store, product int64 }

// readCandidates takes up to most offers from the home pages of all stores, in turns, so that all stores are measured.
func readCandidates(ctx context.Context, c *client, pool *pgxpool.Pool, most int) ([]*candidate, error) {
	stores, err := readStores(ctx, c)
	if err != nil {
		return nil, err
	}
	homes := make([]homePage, len(stores))
	for i, s := range stores {
		if err := c.read(ctx, homePath(s.ID, s.Languages[0]), &homes[i]); err != nil {
			return nil, fmt.Errorf("choose offers: %w", err)
		}
	}
	chosen := chooseCandidates(stores, homes, most)
	if len(chosen) == 0 {
		return nil, errEmpty
	}
	if err := readPrices(ctx, pool, chosen); err != nil {
		return nil, err
	}
	return chosen, nil
}

// chooseCandidates deals the cards of the home pages: the first of each store, the second of each store, and so on. An
// offer is taken once, in the category where it stands first.
func chooseCandidates(stores []storeInfo, homes []homePage, most int) []*candidate {
	hands := make([][]*candidate, len(stores))
	longest := 0
	for i, home := range homes {
		seen := map[int64]bool{}
		for _, section := range home.Categories {
			for _, item := range section.Cards {
				if !seen[item.Product] {
					seen[item.Product] = true
					hands[i] = append(hands[i], &candidate{
						store: stores[i].ID, product: item.Product, category: section.ID,
						code: stores[i].Code, currency: stores[i].Currency, lang: stores[i].Languages[0],
					})
				}
			}
		}
		longest = max(longest, len(hands[i]))
	}
	var chosen []*candidate
	for turn := range longest {
		for _, hand := range hands {
			if turn < len(hand) && len(chosen) < most {
				chosen = append(chosen, hand[turn])
			}
		}
	}
	return chosen
}

// readPrices reads the rows that will be changed, to put them back.
func readPrices(ctx context.Context, pool *pgxpool.Pool, chosen []*candidate) error {
	stores, products := make([]int64, len(chosen)), make([]int64, len(chosen))
	of := map[offerKey]*candidate{}
	for i, c := range chosen {
		stores[i], products[i] = c.store, c.product
		of[offerKey{c.store, c.product}] = c
	}
	rows, err := pool.Query(ctx, `select store_id, product_id, sku, amount, list_amount, valid_from, valid_to from prices
		where (store_id, product_id) in (select * from unnest($1::bigint[], $2::bigint[])) order by sku`, stores, products)
	if err != nil {
		return fmt.Errorf("read the prices: %w", err)
	}
	var key offerKey
	var p price
	_, err = pgx.ForEachRow(rows, []any{&key.store, &key.product, &p.sku, &p.amount, &p.list, &p.from, &p.to}, func() error {
		of[key].prices = append(of[key].prices, p)
		return nil
	})
	if err != nil {
		return fmt.Errorf("read the prices: %w", err)
	}
	for _, c := range chosen {
		if len(c.prices) == 0 {
			return fmt.Errorf("product %d stands on the home page of store %d, and has no price in Postgres: do the read API and Postgres belong together?", c.product, c.store)
		}
	}
	return nil
}

// set gives all the offer's SKUs one price and returns when the commit was acknowledged. Bounds in time and the list price
// go, since outside of the bounds a reader is shown another amount than the row's.
func (c *candidate) set(ctx context.Context, pool *pgxpool.Pool, amount int64) (time.Time, error) {
	tag, err := pool.Exec(ctx, `update prices set amount = $3, list_amount = null, valid_from = null, valid_to = null
		where store_id = $1 and product_id = $2`, c.store, c.product, amount)
	committed := time.Now()
	if err == nil && tag.RowsAffected() == 0 {
		err = errors.New("its prices are gone")
	}
	if err != nil {
		return committed, fmt.Errorf("change the price of product %d in store %d: %w", c.product, c.store, err)
	}
	return committed, nil
}

// putBack gives the SKUs the prices they had.
func (c *candidate) putBack(ctx context.Context, pool *pgxpool.Pool) error {
	err := pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		batch := &pgx.Batch{}
		for _, p := range c.prices {
			batch.Queue(`update prices set amount = $3, list_amount = $4, valid_from = $5, valid_to = $6 where store_id = $1 and sku = $2`,
				c.store, p.sku, p.amount, p.list, p.from, p.to)
		}
		return tx.SendBatch(ctx, batch).Close()
	})
	if err != nil {
		return fmt.Errorf("put back the price of product %d in store %d: %w", c.product, c.store, err)
	}
	return nil
}
