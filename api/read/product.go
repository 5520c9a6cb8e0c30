package read

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/mongo"
	"golang.org/x/sync/errgroup"

	"freshet/api"
	"freshet/projectors/catalog"
	"freshet/projectors/dimension"
	"freshet/projectors/document"
	"freshet/projectors/offer"
	"freshet/projectors/view"
)

// Documents reads the two documents of a product page from MongoDB.
type Documents struct {
	products *document.Collection[int64, catalog.Product]
	offers   *document.Collection[string, offer.Offer]
}

// NewDocuments opens the collections in a database.
func NewDocuments(db *mongo.Database) *Documents {
	return &Documents{
		products: document.Open[int64, catalog.Product](db, "products", document.Config{}),
		offers:   document.Open[string, offer.Offer](db, "offers", document.Config{}),
	}
}

// Product returns the documents of a product in a store, nil for one that there isn't.
func (d *Documents) Product(ctx context.Context, store, product int64) (*catalog.Product, *offer.Offer, error) {
	offers, products := d.offers.Ask(offer.ID(store, product)), d.products.Ask(product)
	o, err := offers(ctx)
	if err != nil || o == nil {
		return nil, nil, err // without an offer there is no page
	}
	p, err := products(ctx)
	if err != nil {
		return nil, nil, err
	}
	return p, o, nil
}

// ProductPage is the page of a product in a store; amounts are minor units of the store's currency.
type ProductPage struct {
	Store       StoreRef    `json:"store"`
	Lang        string      `json:"lang"`
	ID          int64       `json:"id"`
	Type        string      `json:"type"`
	GTIN        string      `json:"gtin,omitempty"`
	Title       string      `json:"title"`
	Slug        string      `json:"slug"`
	Description string      `json:"description"`
	Price       int64       `json:"price"`
	ListPrice   int64       `json:"list_price"`
	Discount    int64       `json:"discount"` // whole percent off the list price
	InStock     bool        `json:"in_stock"`
	LowStock    bool        `json:"low_stock"`
	Brand       *Name       `json:"brand,omitempty"`
	Seller      *Name       `json:"seller,omitempty"`
	Images      []Image     `json:"images"`
	Attributes  []Attribute `json:"attributes"`
	Variants    []Variant   `json:"variants"`
	Breadcrumbs [][]Crumb   `json:"breadcrumbs"`
	Reviews     Reviews     `json:"reviews"`
	Together    []Pair      `json:"together,omitzero"` // nil where it isn't asked for
}

// Reviews is what the published reviews say; Average is from 1 to 5, to a tenth, and 0 without any.
type Reviews struct {
	Count   int64   `json:"count"`
	Average float64 `json:"average"`
}

// Name is a brand or a seller.
type Name struct {
	ID   int64  `json:"id"`
	Slug string `json:"slug"`
	Name string `json:"name"`
}

// Image is a picture by its address.
type Image struct {
	URL string `json:"url"`
	Alt string `json:"alt"`
}

// Attribute is an attribute as a person reads it; Value is a string or strings, a number or a boolean.
type Attribute struct {
	Code  string          `json:"code"`
	Label string          `json:"label"`
	Value json.RawMessage `json:"value"`
	Unit  string          `json:"unit,omitempty"`
}

// Variant is what is put into the cart.
type Variant struct {
	SKU       string            `json:"sku"`
	Options   map[string]string `json:"options"`
	GTIN      string            `json:"gtin,omitempty"`
	Price     int64             `json:"price"`
	ListPrice int64             `json:"list_price"`
	Discount  int64             `json:"discount"`
	ValidFrom string            `json:"valid_from,omitempty"`
	ValidTo   string            `json:"valid_to,omitempty"`
	Available int64             `json:"available"`
	InStock   bool              `json:"in_stock"`
	LowStock  bool              `json:"low_stock"`
}

func (s *Shop) product(ctx context.Context, r *request) (response, error) {
	st, lang, err := r.front(r.store)
	if err != nil {
		return response{}, err
	}
	together := int(r.query.integer("together", 0, 8, 0))
	if err := r.query.end(); err != nil {
		return response{}, err
	}
	missing := api.Errorf(api.NotFound, "The store has no product %q.", cut(r.item))
	id, err := strconv.ParseInt(r.item, 10, 64)
	if err != nil || id <= 0 {
		return response{}, missing
	}
	v, pairs, err := s.beside(ctx, r, st, lang, id, together)
	if err != nil {
		return response{}, err
	}
	if v.Deleted || !v.Visible {
		return response{}, missing
	}
	page, err := productPage(&v, st, lang, r.dims, time.Now())
	if err != nil {
		return response{}, err
	}
	page.Together = pairs
	return response{document: page, lang: lang}, nil
}

// beside reads a product and, if any are wanted, the pairs that its page shows beside it.
//
// What is bought together is one document, read by its _id while the page's own two are read. Only the products' ids are in it:
// with their cards folded in, a price would be as old as the last order that named the two, on the very page that shows its
// own within milliseconds. So the cards are made of the documents that are there now, in two more reads whatever the number of
// pairs. A page that shows no pairs pays for none of it, which is why they are asked for (docs/adr/0035).
func (s *Shop) beside(ctx context.Context, r *request, st dimension.Store, lang string, id int64, limit int) (v view.Offer, pairs []Pair, err error) {
	if limit == 0 {
		v, err = s.view(ctx, st.ID, id)
		return v, nil, err
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() (err error) {
		v, err = s.view(ctx, st.ID, id)
		return err
	})
	g.Go(func() (err error) {
		pairs, err = s.pairs(ctx, r.dims, st, lang, id, limit)
		return err
	})
	err = g.Wait()
	return v, pairs, err
}

// view joins the documents of a product in a store.
func (s *Shop) view(ctx context.Context, store, product int64) (view.Offer, error) {
	p, o, err := s.cfg.Products.Product(ctx, store, product)
	if err != nil {
		return view.Offer{}, err
	}
	return view.Join(p, o), nil
}

// productPage makes the page of a view. Names and labels are resolved here and not folded into the documents, so that a
// category that is renamed rewrites nothing.
func productPage(v *view.Offer, st dimension.Store, lang string, dims *dimension.Set, now time.Time) (*ProductPage, error) {
	text := v.TextIn(lang)
	page := &ProductPage{
		Store: ref(st), Lang: lang, ID: v.Product, Type: v.Type, GTIN: v.GTIN,
		Title: text.Title, Slug: text.Slug, Description: text.Description,
		Images: images(v.Images), Variants: []Variant{}, Breadcrumbs: breadcrumbs(v, st, lang, dims),
		Reviews: Reviews{Count: v.Reviews.Count, Average: v.Reviews.Rating()},
	}
	if b, ok := dims.Brand(v.Brand); ok {
		page.Brand = &Name{ID: b.ID, Slug: b.Slug, Name: b.Name}
	}
	if s, ok := dims.Seller(v.Seller); ok {
		page.Seller = &Name{ID: s.ID, Slug: s.Slug, Name: s.Name}
	}
	var err error
	if page.Attributes, err = attributes(v, lang, dims); err != nil {
		return nil, err
	}
	for i := range v.Variants {
		one, err := variant(&v.Variants[i], now)
		if err != nil {
			return nil, err
		}
		page.Variants = append(page.Variants, one)
	}
	page.headline()
	return page, nil
}

func variant(v *view.Variant, now time.Time) (Variant, error) {
	// By our own clock and not by the document's, which brings a bound some moments late.
	price, list, sold := v.PriceAt(now)
	one := Variant{
		SKU: v.SKU, Options: map[string]string{}, GTIN: v.GTIN, Price: price, ListPrice: list, Discount: discount(price, list),
		ValidFrom: v.ValidFrom, ValidTo: v.ValidTo, Available: max(v.Available, 0), InStock: sold && v.Available > 0, LowStock: v.LowStock,
	}
	var options map[string]any
	if len(v.Options) > 0 {
		if err := json.Unmarshal(v.Options, &options); err != nil {
			return Variant{}, fmt.Errorf("options of %s: %w", v.SKU, err)
		}
	}
	// Any SQL may have written them, so a value may be a number.
	for name, value := range options {
		one.Options[name] = fmt.Sprint(value)
	}
	return one, nil
}

// images lists the pictures. The schema wants an array and no more, and any SQL may have written it: an entry that is no
// picture is left out, since the page is worth showing without it.
func images(raw json.RawMessage) []Image {
	var list []Image
	if json.Unmarshal(raw, &list) != nil {
		list = pictures(raw)
	}
	return slices.DeleteFunc(append([]Image{}, list...), func(one Image) bool { return one.URL == "" })
}

// pictures are the entries that can be decoded, of a list in which some can't.
func pictures(raw json.RawMessage) (list []Image) {
	var entries []json.RawMessage
	if json.Unmarshal(raw, &entries) != nil {
		return nil
	}
	for _, entry := range entries {
		var one Image
		if json.Unmarshal(entry, &one) == nil {
			list = append(list, one)
		}
	}
	return list
}

// attributes lists the attributes that the registry knows, by code, labelled in the language.
func attributes(v *view.Offer, lang string, dims *dimension.Set) ([]Attribute, error) {
	list := []Attribute{}
	var values map[string]json.RawMessage
	if len(v.Attributes) > 0 {
		if err := json.Unmarshal(v.Attributes, &values); err != nil {
			return nil, fmt.Errorf("attributes of product %d: %w", v.Product, err)
		}
	}
	for code, value := range values {
		def, ok := dims.Attribute(code)
		if !ok || string(value) == "null" {
			continue
		}
		a := Attribute{Code: code, Label: dims.Label(code, lang), Value: value}
		if def.Unit != nil {
			a.Unit = *def.Unit
		}
		list = append(list, a)
	}
	slices.SortFunc(list, func(a, b Attribute) int { return strings.Compare(a.Code, b.Code) })
	return list, nil
}

// breadcrumbs are the paths to the product's categories that stand in the store's tree and are shown.
func breadcrumbs(v *view.Offer, st dimension.Store, lang string, dims *dimension.Set) [][]Crumb {
	paths := [][]Crumb{}
	for _, c := range v.Categories {
		in, ok := dims.Category(c.ID)
		if !ok || in.TreeID != st.TreeID || !dims.Shown(c.ID) {
			continue
		}
		path := []Crumb{}
		for _, step := range dims.Path(c.ID) {
			path = append(path, Crumb{ID: step.ID, Slug: step.Slug, Name: dims.CategoryName(step.ID, lang)})
		}
		paths = append(paths, path)
	}
	return paths
}
