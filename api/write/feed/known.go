package feed

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"freshet/api/write/slug"
)

// known is what an import learns once and keeps: the seller, the store's category tree, the registry of attributes. It is
// forgotten whenever something is rolled back, since that may have made part of it.
type known struct {
	seller   int64
	byName   map[categoryKey]int64 // in the feed's language first, else in any
	bySlug   map[string]int64
	kinds    map[string]string // of attributes
	slots    map[int32]bool    // numeric slots that are taken
	position map[int64]int32   // of the last child, by parent; 0 is the top
}

// categoryKey is a category's place and its name, without the case.
type categoryKey struct {
	parent int64
	name   string
}

func (im *importer) learn(ctx context.Context, tx pgx.Tx) error {
	if im.known != nil {
		return nil
	}
	k := &known{byName: map[categoryKey]int64{}, bySlug: map[string]int64{}, kinds: map[string]string{}, slots: map[int32]bool{}, position: map[int64]int32{}}
	if err := im.findSeller(ctx, tx, k); err != nil {
		return err
	}
	if err := runQueries(ctx, tx, k.queries(im.store.TreeID, im.cfg.Lang)); err != nil {
		return err
	}
	im.known = k
	return nil
}

func (im *importer) findSeller(ctx context.Context, tx pgx.Tx, k *known) error {
	name := im.cfg.Seller
	if name == "" {
		name = im.cfg.Store
	}
	code := slug.Make(name, 120)
	if code == "" {
		return fmt.Errorf("seller %q has no letter that a web address can hold", name)
	}
	err := tx.QueryRow(ctx, `select id from sellers where slug = $1`, code).Scan(&k.seller)
	if errors.Is(err, pgx.ErrNoRows) {
		// Another import may make it at the same moment; then its row is the one.
		err = tx.QueryRow(ctx, `insert into sellers (name, slug) values ($1, $2) on conflict (slug) do update set name = sellers.name returning id`,
			name, code).Scan(&k.seller)
	}
	if err != nil {
		return fmt.Errorf("find seller %s: %w", code, err)
	}
	return nil
}

func (k *known) queries(tree int64, lang string) []query {
	return []query{
		{
			"categories", `select id, coalesce(parent_id, 0), slug, position from categories where tree_id = $1`,
			[]any{tree},
			func(r pgx.Rows) error {
				var id, parent int64
				var code string
				var position int32
				err := r.Scan(&id, &parent, &code, &position)
				k.bySlug[code] = id
				k.position[parent] = max(k.position[parent], position)
				return err
			},
		},
		{
			"category names", `select c.id, coalesce(c.parent_id, 0), t.name from categories c join category_texts t on t.category_id = c.id
				where c.tree_id = $1 order by (t.lang = $2) desc, t.lang, c.id`,
			[]any{tree, lang},
			func(r pgx.Rows) error {
				var id, parent int64
				var name string
				err := r.Scan(&id, &parent, &name)
				if key := (categoryKey{parent, strings.ToLower(name)}); k.byName[key] == 0 {
					k.byName[key] = id
				}
				return err
			},
		},
		{
			"attributes", `select code, kind, coalesce(numeric_slot, -1) from attribute_defs`, nil,
			func(r pgx.Rows) error {
				var code, kind string
				var slot int32
				err := r.Scan(&code, &kind, &slot)
				k.kinds[code], k.slots[slot] = kind, true
				return err
			},
		},
	}
}

// category finds the category of a path in the store's tree, and makes what is missing of it.
func (b *batch) category(ctx context.Context, path []string) (int64, error) {
	parent := int64(0)
	for _, name := range path {
		key := categoryKey{parent, strings.ToLower(name)}
		id := b.known.byName[key]
		if id == 0 {
			var err error
			if id, err = b.makeCategory(ctx, parent, name); err != nil {
				return 0, err
			}
			b.known.byName[key] = id
		}
		parent = id
	}
	return parent, nil
}

func (b *batch) makeCategory(ctx context.Context, parent int64, name string) (int64, error) {
	const insert = `with c as (insert into categories (tree_id, parent_id, position, slug) values ($1, nullif($2::bigint, 0), $3, $4) returning id)
		insert into category_texts (category_id, lang, name) select id, $5, $6 from c returning category_id`
	k := b.known
	base := slug.Make(name, 110)
	if base == "" {
		base = "category"
	}
	code := base
	for n := 2; k.bySlug[code] != 0; n++ {
		code = fmt.Sprintf("%s-%d", base, n)
	}
	var id int64
	err := b.tx.QueryRow(ctx, insert, b.im.store.TreeID, parent, k.position[parent]+1, code, b.im.cfg.Lang, name).Scan(&id)
	if err != nil {
		return 0, fmt.Errorf("make category %q: %w", name, err)
	}
	k.bySlug[code] = id
	k.position[parent]++
	b.done.categories++
	return id, nil
}

// brand finds the brand by its slug, or makes it; nil without a name.
func (b *batch) brand(ctx context.Context, name string) (*int64, error) {
	if name == "" {
		return nil, nil
	}
	code := slug.Make(name, 120)
	if code == "" { // a name in letters that a slug can't hold
		code = fmt.Sprintf("brand-%016x", shortHash(name))
	}
	if id := b.brands[code]; id != 0 {
		return &id, nil
	}
	const insert = `insert into brands (name, slug) values ($1, $2) on conflict (slug) do nothing returning id`
	var id int64
	err := b.tx.QueryRow(ctx, insert, name, code).Scan(&id)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		err = b.tx.QueryRow(ctx, `select id from brands where slug = $1`, code).Scan(&id)
	case err == nil:
		b.done.brands++
	}
	if err != nil {
		return nil, fmt.Errorf("make brand %q: %w", name, err)
	}
	b.brands[code] = id
	return &id, nil
}
