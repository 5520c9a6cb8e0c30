package explain

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"freshet/ingest/change"
)

// rows is what Postgres says of the product in the store, all of one instant.
type rows struct {
	at         change.LSN // at or after every change that is seen
	store      storeRow
	product    int64
	status     *string // of the product, nil when it is gone
	offer      *offerRow
	languages  []string // of the product's texts
	variants   []variantRow
	categories []categoryRow
	rules      []ruleRow
}

type storeRow struct {
	ID        int64
	Code      string
	Active    bool
	Languages []string
	Tree      int64
}

type offerRow struct {
	Status string
	Boost  float64
}

// variantRow is a SKU with its price and stock in the store, where it has them.
type variantRow struct {
	SKU              string
	Amount, List     *int64
	From, To         *time.Time
	OnHand, Reserved *int64
}

// categoryRow is a category that the product stands in.
type categoryRow struct {
	ID, Tree int64
	Slug     string
	Shown    bool
}

// ruleRow is a merchandising rule that hides the product.
type ruleRow struct {
	ID       int64
	Query    *string
	Category *int64
}

// read takes the rows in one snapshot of the database.
func (e *Explainer) read(ctx context.Context, store, product string) (r *rows, err error) {
	conn, err := pgx.Connect(ctx, e.cfg.Postgres)
	if err != nil {
		return nil, fmt.Errorf("connect to Postgres: %w", err)
	}
	defer func() { err = errors.Join(err, conn.Close(context.WithoutCancel(ctx))) }()
	r = &rows{}
	err = pgx.BeginTxFunc(ctx, conn, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		if err := r.name(ctx, tx, store, product); err != nil {
			return err
		}
		return errors.Join(r.readOffer(ctx, tx), r.readLists(ctx, tx))
	})
	if err != nil {
		return nil, fmt.Errorf("read product %s in store %s: %w", product, store, err)
	}
	return r, nil
}

// name finds the store by id or code and the product by id or SKU. A product whose row is gone keeps the number it was
// asked for: its documents may still be there.
func (r *rows) name(ctx context.Context, tx pgx.Tx, store, product string) error {
	var lsn string
	// The first statement takes the snapshot; the position is read after it.
	err := tx.QueryRow(ctx, `select id, code, active, languages, tree_id from stores
		where id::text = $1 or code = $1 order by (id::text = $1) desc limit 1`, store).
		Scan(&r.store.ID, &r.store.Code, &r.store.Active, &r.store.Languages, &r.store.Tree)
	if errors.Is(err, pgx.ErrNoRows) {
		return fmt.Errorf("store %q: %w", store, ErrUnknown)
	}
	if err != nil {
		return err
	}
	if err := tx.QueryRow(ctx, "select pg_current_wal_insert_lsn()::text").Scan(&lsn); err != nil {
		return err
	}
	if r.at, err = change.ParseLSN(lsn); err != nil {
		return err
	}
	err = tx.QueryRow(ctx, `select id, status from (
			select id, status, 1 as place from products where id::text = $1
			union all select p.id, p.status, 2 from variants v join products p on p.id = v.product_id where v.sku = $1) named
		order by place limit 1`, product).Scan(&r.product, &r.status)
	if !errors.Is(err, pgx.ErrNoRows) {
		return err
	}
	if _, err := fmt.Sscanf(product+"\n", "%d\n", &r.product); err != nil || r.product <= 0 {
		return fmt.Errorf("product %q: %w", product, ErrUnknown)
	}
	return nil
}

func (r *rows) readOffer(ctx context.Context, tx pgx.Tx) error {
	var o offerRow
	err := tx.QueryRow(ctx, "select status, boost from offers where store_id = $1 and product_id = $2", r.store.ID, r.product).Scan(&o.Status, &o.Boost)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil
	}
	r.offer = &o
	return err
}

func (r *rows) readLists(ctx context.Context, tx pgx.Tx) error {
	var err error
	if r.languages, err = list(ctx, tx, pgx.RowTo[string], "select lang from product_texts where product_id = $1 order by lang", r.product); err != nil {
		return err
	}
	r.variants, err = list(ctx, tx, pgx.RowToStructByPos[variantRow], `select v.sku, p.amount, p.list_amount, p.valid_from, p.valid_to, i.on_hand, i.reserved
		from variants v left join prices p on p.store_id = $2 and p.sku = v.sku left join inventory i on i.store_id = $2 and i.sku = v.sku
		where v.product_id = $1 order by v.sku`, r.product, r.store.ID)
	if err != nil {
		return err
	}
	r.categories, err = list(ctx, tx, pgx.RowToStructByPos[categoryRow], `select c.id, c.tree_id, c.slug, not exists (
			with recursive up(parent_id, active) as (
				select c.parent_id, c.active union select k.parent_id, k.active from categories k join up on k.id = up.parent_id)
			select from up where not active)
		from product_categories pc join categories c on c.id = pc.category_id where pc.product_id = $1 order by c.id`, r.product)
	if err != nil {
		return err
	}
	r.rules, err = list(ctx, tx, pgx.RowToStructByPos[ruleRow], `select id, query, category_id from search_rules
		where product_id = $1 and action = 'hide' and active and (store_id is null or store_id = $2) order by id`, r.product, r.store.ID)
	return err
}

func list[T any](ctx context.Context, tx pgx.Tx, to pgx.RowToFunc[T], sql string, args ...any) ([]T, error) {
	found, err := tx.Query(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(found, to)
}

func (r *rows) priced() (n int) {
	for _, v := range r.variants {
		if v.Amount != nil {
			n++
		}
	}
	return n
}

// hop tells what the shop's own data say.
func (r *rows) hop(now time.Time) Hop {
	h := Hop{Hop: "postgres", Where: fmt.Sprintf("offers (%d, %d)", r.store.ID, r.product), Found: r.status != nil && r.offer != nil, Position: &change.Position{Commit: r.at}}
	if h.Found {
		h.Holds = fmt.Sprintf("product %s, offer %s, %d of %d SKUs priced, %d to be had, texts in %s, %d categories",
			*r.status, r.offer.Status, r.priced(), len(r.variants), r.available(), strings.Join(r.languages, " "), len(r.categories))
	}
	if !r.store.Active {
		h.find(Filter, "store-inactive", fmt.Sprintf("update stores set active = true where id = %d", r.store.ID), "store %s is closed", r.store.Code)
	}
	r.filterOffer(&h)
	r.filterPrices(&h, now)
	r.filterCategories(&h)
	for _, rule := range r.rules {
		mend := fmt.Sprintf("update search_rules set active = false where id = %d", rule.ID)
		switch {
		case rule.Query == nil && rule.Category == nil:
			h.find(Filter, "hidden", mend, "rule %d hides the product everywhere", rule.ID)
		case rule.Query != nil:
			h.find(Note, "hidden-for-query", mend, "rule %d hides the product for the query %q", rule.ID, *rule.Query)
		default:
			h.find(Note, "hidden-in-category", mend, "rule %d hides the product in category %d", rule.ID, *rule.Category)
		}
	}
	return h
}

func (r *rows) available() (n int64) {
	for _, v := range r.variants {
		if v.Amount != nil && v.OnHand != nil {
			n += *v.OnHand - *v.Reserved
		}
	}
	return n
}

func (r *rows) filterOffer(h *Hop) {
	if r.status == nil {
		h.find(Filter, "product-missing", "insert the product again, if it should be sold", "there is no product %d", r.product)
		return
	}
	if *r.status != "active" {
		h.find(Filter, "product-not-active", fmt.Sprintf("update products set status = 'active' where id = %d", r.product), "the product is %s", *r.status)
	}
	if r.offer == nil {
		h.find(Filter, "not-offered", fmt.Sprintf("insert into offers (store_id, product_id) values (%d, %d)", r.store.ID, r.product), "store %s does not offer product %d", r.store.Code, r.product)
	} else if r.offer.Status != "active" {
		h.find(Filter, "offer-not-active", fmt.Sprintf("update offers set status = 'active' where store_id = %d and product_id = %d", r.store.ID, r.product), "the offer is %s", r.offer.Status)
	}
	if len(r.languages) == 0 {
		h.find(Filter, "no-text", "insert a row into product_texts", "the product has no title in any language")
	}
}

func (r *rows) filterPrices(h *Hop, now time.Time) {
	switch {
	case len(r.variants) == 0:
		h.find(Filter, "no-variant", "insert a row into variants", "the product has no SKU")
		return
	case r.priced() == 0:
		h.find(Filter, "no-price", fmt.Sprintf("insert a row into prices for store %d", r.store.ID), "none of the %d SKUs has a price in store %s", len(r.variants), r.store.Code)
		return
	case r.available() <= 0:
		h.find(Note, "no-stock", "receive stock, or wait until reservations run out", "nothing is to be had, so it is shown as sold out and stands behind what is")
	}
	sold := false
	var early, late []string
	for _, v := range r.variants {
		switch {
		case v.Amount == nil:
		case v.From != nil && now.Before(*v.From):
			early = append(early, fmt.Sprintf("that of %s from %s", v.SKU, v.From.UTC().Format(time.RFC3339)))
			sold = sold || v.List != nil
		case v.To != nil && !now.Before(*v.To):
			late = append(late, fmt.Sprintf("that of %s until %s", v.SKU, v.To.UTC().Format(time.RFC3339)))
			sold = sold || v.List != nil
		default:
			sold = true
		}
	}
	kind := Note // the list price holds, or another SKU is sold
	if !sold {
		kind = Filter
	}
	if len(early) > 0 {
		h.find(kind, "price-not-yet-valid", "wait, or change prices.valid_from", "a price is not valid yet: %s", strings.Join(early, ", "))
	}
	if len(late) > 0 {
		h.find(kind, "price-expired", "change prices.valid_to", "a price is no longer valid: %s", strings.Join(late, ", "))
	}
}

func (r *rows) filterCategories(h *Hop) {
	shown := false
	for _, c := range r.categories {
		shown = shown || (c.Shown && c.Tree == r.store.Tree)
	}
	switch {
	case r.status == nil || shown:
	case len(r.categories) == 0:
		h.find(Filter, "no-category", "insert a row into product_categories", "the product stands in no category, so only search finds it")
	default:
		h.find(Filter, "no-shown-category", "show one of its categories and all above it, or place it in one that is",
			"none of its %d categories is shown in the tree of store %s, so only search finds it", len(r.categories), r.store.Code)
	}
}
