package seed

import "freshet/api/write/slug"

func columns(names ...string) []string { return names }

// tables are the shop's, parents first.
func (l *loader) tables() []table {
	s := l.shop
	all := append(s.dimensionTables(), s.catalogTables()...)
	all = append(all, s.peopleTables()...)
	all = append(all, s.stockTables()...)
	return append(all, s.ruleTables()...)
}

func (s *shop) dimensionTables() []table {
	founded := s.ago(1000 * day)
	return []table{
		{name: "category_trees", columns: columns("id", "code", "name", "created_at"), total: int64(len(s.trees)), rows: func(yield func([]any) bool) {
			for _, t := range s.trees {
				if !yield([]any{t.id, t.code, t.code + " stores", founded}) {
					return
				}
			}
		}},
		{
			name: "stores", columns: columns("id", "code", "name", "market", "currency", "languages", "tree_id", "created_at"), total: int64(len(s.stores)),
			rows: func(yield func([]any) bool) {
				for _, st := range s.stores {
					if !yield([]any{st.id, st.code, st.name, langs[st.market], st.currency, st.langs, st.tree, founded}) {
						return
					}
				}
			},
		},
		{
			name: "categories", columns: columns("id", "tree_id", "parent_id", "position", "slug", "created_at"), total: int64(len(s.categories)),
			rows: func(yield func([]any) bool) {
				for _, c := range s.categories {
					if !yield([]any{c.id, c.tree, orNull(c.parent), int32(c.position), c.node.slug, founded}) {
						return
					}
				}
			},
		},
		{name: "category_texts", columns: columns("category_id", "lang", "name"), total: int64(5 * len(s.categories)), rows: func(yield func([]any) bool) {
			for _, c := range s.categories {
				for i, lang := range langs {
					if !yield([]any{c.id, lang, c.node.names[i]}) {
						return
					}
				}
			}
		}},
		named("brands", columns("id", "name", "slug"), s.brands),
		named("sellers", columns("id", "name", "slug", "created_at"), s.sellers, founded),
		{name: "attribute_defs", columns: columns("code", "kind", "facet", "numeric_slot", "unit", "labels"), total: int64(len(s.words.attributes)), rows: s.attributeRows},
	}
}

// named is a table of id, name and slug, and more.
func named(name string, columns, names []string, more ...any) table {
	return table{name: name, columns: columns, total: int64(len(names)), rows: func(yield func([]any) bool) {
		for i, n := range names {
			if !yield(append([]any{int64(i) + 1, n, slug.Make(n, 120)}, more...)) {
				return
			}
		}
	}}
}

func (s *shop) attributeRows(yield func([]any) bool) {
	for _, a := range s.words.attributes {
		labels := map[string]string{}
		for i, lang := range langs {
			labels[lang] = a.labels[i]
		}
		var unit any
		if a.unit != "" {
			unit = a.unit
		}
		if !yield([]any{a.code, a.kind, a.facet, a.slot, unit, encode(labels)}) {
			return
		}
	}
}

func (s *shop) catalogTables() []table {
	n := int64(len(s.products))
	return []table{
		{
			name:    "products",
			columns: columns("id", "seller_id", "brand_id", "type", "status", "gtin", "attributes", "images", "created_at", "updated_at"), total: n,
			rows: s.eachProduct(func(p *product, yield func(...any) bool) bool {
				return yield(p.id, p.seller, p.brand, kinds[p.kind], p.status, p.gtin(0), s.attributes(p), s.images(p), p.created, p.created)
			}),
		},
		{
			name: "product_texts", columns: columns("product_id", "lang", "title", "description", "slug"), total: 5 * n,
			rows: s.eachProduct(func(p *product, yield func(...any) bool) bool {
				for i, lang := range langs {
					title := s.title(p, i)
					if !yield(p.id, lang, title, s.description(p, i), productSlug(title, p.id)) {
						return false
					}
				}
				return true
			}),
		},
		{
			name: "product_categories", columns: columns("product_id", "category_id", "position"), total: 2 * n,
			rows: s.eachProduct(func(p *product, yield func(...any) bool) bool {
				for _, t := range []tree{s.trees[p.kind], s.trees[len(kinds)]} {
					if !yield(p.id, t.ids[p.model.leaf], int32(p.id%50)) {
						return false
					}
				}
				return s.secondHome(p, yield)
			}),
		},
		{
			name: "variants", columns: columns("sku", "product_id", "options", "gtin"), total: n,
			rows: s.eachProduct(func(p *product, yield func(...any) bool) bool {
				for i := range p.variants {
					v := &p.variants[i]
					if !yield(v.sku, p.id, v.options(), p.gtin(i)) {
						return false
					}
				}
				return true
			}),
		},
	}
}

// secondHome puts one product in twelve into another leaf of the department stores' tree as well.
func (s *shop) secondHome(p *product, yield func(...any) bool) bool {
	models := s.words.models[kinds[p.kind]]
	other := models[p.id%int64(len(models))].leaf
	if p.id%12 != 0 || other == p.model.leaf {
		return true
	}
	return yield(p.id, s.trees[len(kinds)].ids[other], int32(p.id%50))
}

// eachProduct makes rows of every product.
func (s *shop) eachProduct(rows func(*product, func(...any) bool) bool) func(func([]any) bool) {
	return func(yield func([]any) bool) {
		for i := range s.products {
			if !rows(&s.products[i], func(row ...any) bool { return yield(row) }) {
				return
			}
		}
	}
}

func (s *shop) ruleTables() []table {
	return []table{
		{name: "search_synonyms", columns: columns("id", "lang", "terms"), total: int64(len(s.words.synonyms)), rows: func(yield func([]any) bool) {
			for i, syn := range s.words.synonyms {
				if !yield([]any{int64(i) + 1, syn.lang, syn.terms}) {
					return
				}
			}
		}},
		{
			name: "search_rules", columns: columns("id", "store_id", "query", "category_id", "product_id", "action", "place", "factor"), total: 3,
			rows: func(yield func([]any) bool) {
				first := int64(s.assortment[0][0]) // places in products: their ids less one
				last := int64(s.assortment[0][len(s.assortment[0])-1])
				_ = yield([]any{int64(1), int64(1), "offerta", nil, first + 1, "pin", int32(1), nil}) &&
					yield([]any{int64(2), int64(1), "offerta", nil, last + 1, "hide", nil, nil}) &&
					yield([]any{int64(3), nil, nil, s.trees[len(kinds)].ids[s.products[first].model.leaf], first + 1, "boost", nil, 2.5})
			},
		},
	}
}

func orNull(id int64) any {
	if id == 0 {
		return nil
	}
	return id
}
