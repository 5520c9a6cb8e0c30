package feed

import (
	"context"
	"errors"
	"fmt"
	"maps"

	"github.com/jackc/pgx/v5"

	"freshet/api/write/slug"
)

// placed is a row with the product and the SKU it is of.
type placed struct {
	it    *item
	p     *product
	sku   string
	isNew bool
}

// apply compares the rows with what the shop holds, and writes the difference.
func (b *batch) apply(ctx context.Context, items []item) (tally, error) {
	if err := b.takeIDs(ctx, items); err != nil {
		return tally{}, err
	}
	rows := make([]placed, 0, len(items))
	var touched []*product
	for i := range items {
		row, rejection := b.place(&items[i])
		if rejection != nil {
			b.done.rejected = append(b.done.rejected, *rejection)
			continue
		}
		if !row.p.touched {
			row.p.touched = true
			touched = append(touched, row.p)
		}
		rows = append(rows, row)
	}
	for _, p := range touched {
		if err := b.writeProduct(ctx, p); err != nil {
			return tally{}, err
		}
	}
	for _, row := range rows {
		b.writePrice(row)
		b.planStock(row)
	}
	b.writeStock()
	if err := b.send(ctx); err != nil {
		return tally{}, err
	}
	for _, row := range rows {
		switch {
		case row.isNew:
			b.done.inserted++
		case row.p.changed[row.sku]:
			b.done.updated++
		default:
			b.done.unchanged++
		}
	}
	return b.done, nil
}

// takeIDs draws ids for the products that the batch makes, so that all its writes can go out together.
func (b *batch) takeIDs(ctx context.Context, items []item) error {
	missing := map[string]bool{}
	for i := range items {
		if external := items[i].externalID(); b.products[external] == nil {
			missing[external] = true
		}
	}
	if len(missing) == 0 {
		return nil
	}
	const draw = `select coalesce(array_agg(nextval(pg_get_serial_sequence('products', 'id'))), '{}') from generate_series(1, $1)`
	if err := b.tx.QueryRow(ctx, draw, len(missing)).Scan(&b.freeIDs); err != nil {
		return fmt.Errorf("draw product ids: %w", err)
	}
	return nil
}

// place finds or makes the row's product and variant, in memory.
func (b *batch) place(it *item) (placed, *Rejection) {
	external, sku := it.externalID(), skuOf(b.known.seller, it.id)
	p := b.products[external]
	if owner, taken := b.owners[sku]; taken && (p == nil || owner != p.id) {
		return placed{}, &Rejection{it.line, it.id, fmt.Sprintf("it is a variant of product %d already: a change of item_group_id does not move it, give it a new id", owner)}
	}
	if p == nil {
		p = newProduct()
		p.id, p.isNew = b.freeIDs[0], true
		b.freeIDs = b.freeIDs[1:]
		b.products[external] = p
	}
	row := placed{it: it, p: p, sku: sku}
	// The row with the smallest SKU speaks for the product, whatever the order of the feed.
	if p.leadSKU == "" {
		for other := range p.variants {
			if p.leadSKU == "" || other < p.leadSKU {
				p.leadSKU = other
			}
		}
	}
	if p.leadSKU == "" || sku <= p.leadSKU {
		p.lead, p.leadSKU = it, sku
	}
	v, exists := p.variants[sku]
	switch {
	case !exists:
		row.isNew = true
		b.owners[sku] = p.id
	case !b.leads(p), maps.Equal(v.options, it.options) && equal(v.gtin, orNil(it.gtin)):
		return row, nil // what a feed in another language calls a colour is no news
	}
	p.variants[sku] = &variant{it.options, orNil(it.gtin)}
	p.dirty[sku], p.changed[sku] = true, true
	return row, nil
}

// writeProduct writes what differs of the product, its text, its categories, its variants and its offer.
func (b *batch) writeProduct(ctx context.Context, p *product) error {
	if p.lead != nil {
		if err := b.writeLead(ctx, p); err != nil {
			return err
		}
	} else if err := b.writeUnion(ctx, p); err != nil {
		return err
	}
	for _, sku := range sortedKeys(p.dirty) {
		v := p.variants[sku]
		b.queue(`insert into variants (sku, product_id, options, gtin) values ($1, $2, $3, $4)
			on conflict (sku) do update set options = excluded.options, gtin = excluded.gtin
			where (variants.options, variants.gtin) is distinct from (excluded.options, excluded.gtin)`, sku, p.id, encode(v.options), v.gtin)
	}
	if p.lead != nil {
		b.writeText(p)
	}
	if !p.offered {
		b.queue(`insert into offers (store_id, product_id) values ($1, $2) on conflict do nothing`, b.im.store.ID, p.id)
	}
	return nil
}

// writeLead writes the product's own row and its categories, where this feed leads it and says something new.
func (b *batch) writeLead(ctx context.Context, p *product) error {
	it := p.lead
	hash := contentHash(b.im.scope, it)
	news := b.leads(p) && string(hash) != string(p.hash)
	if news || len(p.categories) == 0 {
		if err := b.writeCategories(ctx, p); err != nil {
			return err
		}
	}
	if !news {
		return b.writeUnion(ctx, p)
	}
	attributes := attributesOf(it)
	p.unite(attributes)
	if err := b.register(ctx, attributes); err != nil {
		return err
	}
	brand, err := b.brand(ctx, it.brand)
	if err != nil {
		return err
	}
	code := orNil(it.gtin)
	if it.group != "" {
		code = nil // each variant has its own
	}
	p.changed[p.leadSKU] = true
	if p.isNew {
		b.done.products++
		b.queueFirst(`insert into products (id, seller_id, brand_id, type, status, gtin, attributes, images, external_id, content_hash) values ($1, $2, $3, $4, 'active', $5, $6, $7, $8, $9)`,
			p.id, b.known.seller, brand, it.kind, code, encode(attributes), images(it), it.externalID(), hash)
		return nil
	}
	b.queueFirst(`update products set brand_id = $2, type = $3, gtin = $4, attributes = $5, images = $6, content_hash = $7, version = version + 1, updated_at = now() where id = $1`,
		p.id, brand, it.kind, code, encode(attributes), images(it), hash)
	return nil
}

// writeUnion brings the attributes that the options add up to up to date, and leaves the others as they are.
func (b *batch) writeUnion(ctx context.Context, p *product) error {
	attributes := maps.Clone(p.attributes)
	if attributes == nil {
		attributes = map[string]any{}
	}
	p.unite(attributes)
	if sameJSON(attributes, p.attributes) {
		return nil
	}
	if err := b.register(ctx, attributes); err != nil {
		return err
	}
	b.queueFirst(`update products set attributes = $2, version = version + 1, updated_at = now() where id = $1`, p.id, encode(attributes))
	return nil
}

func images(it *item) []byte {
	type image struct {
		URL string `json:"url"`
		Alt string `json:"alt"`
	}
	list := make([]image, 0, len(it.images))
	for _, link := range it.images {
		list = append(list, image{link, it.title})
	}
	return encode(list)
}

func (b *batch) writeText(p *product) {
	it := p.lead
	code := slug.Make(it.title, 160)
	if code == "" {
		code = slug.Make(p.leadSKU, 160)
	}
	if p.text != nil && *p.text == (textRow{it.title, it.description, code}) {
		return
	}
	p.changed[p.leadSKU] = true
	b.queue(`insert into product_texts (product_id, lang, title, description, slug) values ($1, $2, $3, $4, $5)
		on conflict (product_id, lang) do update set title = excluded.title, description = excluded.description, slug = excluded.slug`,
		p.id, b.im.cfg.Lang, it.title, it.description, code)
}

// writeCategories lets the product stand where the feed says, in the store's tree; other trees are not the feed's.
func (b *batch) writeCategories(ctx context.Context, p *product) error {
	wanted := map[int64]bool{}
	for _, path := range p.lead.paths {
		id, err := b.category(ctx, path)
		if err != nil {
			return err
		}
		wanted[id] = true
	}
	if maps.Equal(wanted, p.categories) {
		return nil
	}
	p.changed[p.leadSKU] = true
	for id := range p.categories {
		if !wanted[id] {
			b.queue(`delete from product_categories where product_id = $1 and category_id = $2`, p.id, id)
		}
	}
	for id := range wanted {
		if !p.categories[id] {
			b.queue(`insert into product_categories (product_id, category_id) values ($1, $2) on conflict do nothing`, p.id, id)
		}
	}
	p.categories = wanted
	return nil
}

func (b *batch) writePrice(row placed) {
	it := row.it
	want := priceRow{it.amount, nil, it.from, it.to}
	if it.list > 0 {
		want.list = &it.list
	}
	have, exists := b.prices[row.sku]
	if exists && have.amount == want.amount && equal(have.list, want.list) && sameMoment(have.from, want.from) && sameMoment(have.to, want.to) {
		return
	}
	row.p.changed[row.sku] = true
	b.queue(`insert into prices (store_id, sku, product_id, amount, list_amount, valid_from, valid_to) values ($1, $2, $3, $4, $5, $6, $7)
		on conflict (store_id, sku) do update set amount = excluded.amount, list_amount = excluded.list_amount, valid_from = excluded.valid_from, valid_to = excluded.valid_to
		where (prices.amount, prices.list_amount, prices.valid_from, prices.valid_to) is distinct from (excluded.amount, excluded.list_amount, excluded.valid_from, excluded.valid_to)`,
		b.im.store.ID, row.sku, row.p.id, want.amount, want.list, want.from, want.to)
}

// leads says whether this feed speaks for the product: it brought it first, or takes over.
func (b *batch) leads(p *product) bool {
	return p.hash == nil || b.im.cfg.TakeOver || string(p.hash[:min(scopeSize, len(p.hash))]) == string(b.im.scope)
}

// queue adds a write to those that go out together.
func (b *batch) queue(sql string, args ...any) {
	b.writes = append(b.writes, statement{sql, args})
}

// queueFirst adds a write of a product's own row, which all other rows of the product need: it goes out before them.
func (b *batch) queueFirst(sql string, args ...any) {
	b.heads = append(b.heads, statement{sql, args})
}

type statement struct {
	sql  string
	args []any
}

func (b *batch) send(ctx context.Context) error {
	pipeline := &pgx.Batch{}
	for _, s := range append(b.heads, b.writes...) {
		pipeline.Queue(s.sql, s.args...)
	}
	if pipeline.Len() == 0 {
		return nil
	}
	results := b.tx.SendBatch(ctx, pipeline)
	for range pipeline.Len() {
		if _, err := results.Exec(); err != nil {
			return errors.Join(fmt.Errorf("write: %w", err), results.Close())
		}
	}
	return results.Close()
}

func orNil(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func equal[T comparable](a, b *T) bool {
	if a == nil || b == nil {
		return a == b
	}
	return *a == *b
}
