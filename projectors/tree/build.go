package tree

// node builds the page of a category in the plan's lang-th language. Which version it is, and of what time, is the
// writer's to fill in.
func (a *Assortment) node(pl *place, lang int) Node {
	r := a.ranks[pl.id]
	n := Node{
		ID: NodeID(a.plan.store, pl.id, a.plan.langs[lang]), Store: a.plan.store, Category: pl.id, Lang: a.plan.langs[lang], Part: 1,
		Slug: pl.slug, Name: pl.names[lang], Count: r.count, Cards: cards(a.show(r).cards, lang),
		Facets:      a.summary(r),
		Breadcrumbs: []Crumb{}, Children: make([]Child, 0, len(pl.children)),
	}
	path := pl.path()
	if len(path) > Crumbs {
		path = append(path[:1:1], path[len(path)-Crumbs+1:]...)
	}
	for _, at := range path {
		n.Breadcrumbs = append(n.Breadcrumbs, Crumb{ID: at.id, Slug: at.slug, Name: at.names[lang]})
	}
	for _, c := range pl.children {
		n.Children = append(n.Children, Child{ID: c.id, Slug: c.slug, Name: c.names[lang], Count: a.ranks[c.id].count})
	}
	return n
}

// homePage builds the store's home page in the plan's lang-th language.
func (a *Assortment) homePage(lang int) Home {
	h := Home{
		ID: HomeID(a.plan.store, a.plan.langs[lang]), Store: a.plan.store, Lang: a.plan.langs[lang], Part: 1,
		Categories: make([]Section, 0, len(a.plan.top)),
	}
	for _, pl := range a.plan.top {
		r := a.ranks[pl.id]
		best := a.show(r).cards
		h.Categories = append(h.Categories, Section{
			ID: pl.id, Slug: pl.slug, Name: pl.names[lang], Count: r.count,
			Cards: cards(best[:min(HomeCards, len(best))], lang),
		})
	}
	return h
}

func cards(items []*item, lang int) []Card {
	list := make([]Card, 0, len(items))
	for _, it := range items {
		list = append(list, Card{
			Product: it.product, Title: it.texts[lang].title, Slug: it.texts[lang].slug, Price: it.price, ListPrice: it.list,
			Image: it.image, Brand: it.brand, InStock: it.inStock, LowStock: it.lowStock,
			Rating: it.rating, Reviews: it.reviews,
		})
	}
	return list
}
