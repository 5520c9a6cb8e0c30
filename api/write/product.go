package write

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"reflect"
	"slices"

	"github.com/gofiber/fiber/v2"

	"freshet/api"
	"freshet/api/write/slug"
)

// Product is the body of POST and PUT of a product: the whole of it. What a PUT leaves out is removed, but for offers:
// those of stores that it doesn't name stay as they are, since each store's stock is that store's. A PUT of offers and
// nothing else leaves all the rest as it is, too: also the prices, the states and the thresholds that it doesn't name.
type Product struct {
	SellerID   int64                      `json:"seller_id,omitempty"` // a seller's own when left out
	BrandID    *int64                     `json:"brand_id,omitempty"`
	Type       string                     `json:"type"`
	Status     string                     `json:"status"`
	GTIN       *string                    `json:"gtin,omitempty"`
	ExternalID *string                    `json:"external_id,omitempty"`
	Attributes map[string]json.RawMessage `json:"attributes,omitempty"`
	Images     []Image                    `json:"images,omitempty"`
	Texts      map[string]Text            `json:"texts"`
	Categories []Category                 `json:"categories,omitempty"`
	Variants   []Variant                  `json:"variants"`
	Offers     []Offer                    `json:"offers,omitempty"`
}

// Image is a picture by its address.
type Image struct {
	URL string `json:"url"`
	Alt string `json:"alt"`
}

// Text is what the product is called in one language; without a slug it gets one from the title.
type Text struct {
	Title       string `json:"title"`
	Description string `json:"description,omitempty"`
	Slug        string `json:"slug,omitempty"`
}

// Category is a category the product stands in, and its place there.
type Category struct {
	ID       int64 `json:"id"`
	Position int64 `json:"position,omitempty"`
}

// Variant is what is put into the cart.
type Variant struct {
	SKU     string            `json:"sku"`
	Options map[string]string `json:"options,omitempty"`
	GTIN    *string           `json:"gtin,omitempty"`
}

// Offer says that a store sells the product, at which prices, and how many it has.
type Offer struct {
	Store  string   `json:"store"`
	Status string   `json:"status,omitempty"` // default active
	Boost  *float64 `json:"boost,omitempty"`  // default 1; the shop's to set, not a seller's
	Prices []Price  `json:"prices,omitempty"`
	Stock  []Stock  `json:"stock,omitempty"`
}

// Stock is how many units there are; the difference to what the ledger says is entered there as an adjustment.
type Stock struct {
	SKU        string `json:"sku"`
	OnHand     int64  `json:"on_hand"`
	LowStockAt *int64 `json:"low_stock_at,omitempty"` // default 0, for never
}

// ProductWritten is the answer.
type ProductWritten struct {
	ID int64 `json:"id"`
	// Changed is how many rows were written; 0 for a PUT that found everything as it should be.
	Changed int64 `json:"changed"`
}

func (p *Product) check(who caller) error {
	var c check
	p.checkOwner(&c, who)
	if p.BrandID != nil {
		c.id("brand_id", *p.BrandID)
	}
	c.match("type", p.Type, namePattern)
	if !slices.Contains([]string{"draft", "active", "archived"}, p.Status) {
		c.bad("status", "must be draft, active or archived")
	}
	if p.GTIN != nil {
		c.match("gtin", *p.GTIN, gtinPattern)
	}
	if p.ExternalID != nil {
		c.text("external_id", *p.ExternalID, 1, 100)
	}
	p.checkImages(&c)
	p.checkTexts(&c)
	p.checkCategories(&c)
	p.checkVariants(&c)
	p.fillOffers()
	p.checkOffers(&c, who)
	own := make([]string, len(p.Variants))
	for i, v := range p.Variants {
		own[i] = v.SKU
	}
	p.checkOffered(&c, own)
	return c.err()
}

// checkOwner takes a seller's product for theirs, and for nobody else's.
func (p *Product) checkOwner(c *check, who caller) {
	owner := who.owns()
	switch {
	case owner == nil:
		c.id("seller_id", p.SellerID)
	case p.SellerID == 0:
		p.SellerID = *owner
	case p.SellerID != *owner:
		c.bad("seller_id", "is another's: a seller's products are their own")
	}
}

func (p *Product) checkImages(c *check) {
	c.count("images", len(p.Images), 0, 50)
	for i, m := range p.Images {
		at := fmt.Sprintf("images[%d]", i)
		u, err := url.Parse(m.URL)
		if err != nil || (u.Scheme != "https" && u.Scheme != "http") || u.Host == "" || len(m.URL) > 2000 {
			c.bad(at+".url", "must be an http or https address of at most 2000 characters")
		}
		c.text(at+".alt", m.Alt, 0, 500)
	}
}

func (p *Product) checkTexts(c *check) {
	c.count("texts", len(p.Texts), 1, len(languages))
	for lang, t := range p.Texts {
		at := "texts." + cut(lang, 16)
		if !slices.Contains(languages, lang) {
			c.bad(at, "must be %s", api.List(languages))
		}
		c.text(at+".title", t.Title, 1, 300)
		c.text(at+".description", t.Description, 0, 50000)
		if t.Slug == "" {
			// A title without a Latin letter or a digit still needs an address.
			t.Slug = cmp.Or(slug.Make(t.Title, 80), "product")
			p.Texts[lang] = t
		}
		c.match(at+".slug", t.Slug, slugPattern)
	}
}

func (p *Product) checkCategories(c *check) {
	c.count("categories", len(p.Categories), 0, 50)
	seen := map[int64]bool{}
	for i, k := range p.Categories {
		at := fmt.Sprintf("categories[%d]", i)
		c.id(at+".id", k.ID)
		unique(c, seen, at+".id", k.ID)
		c.between(at+".position", k.Position, 0, 1<<31-1)
	}
}

func (p *Product) checkVariants(c *check) {
	c.count("variants", len(p.Variants), 1, 200)
	seen := map[string]bool{}
	for i, v := range p.Variants {
		at := fmt.Sprintf("variants[%d]", i)
		c.match(at+".sku", v.SKU, skuPattern)
		unique(c, seen, at+".sku", v.SKU)
		if v.GTIN != nil {
			c.match(at+".gtin", *v.GTIN, gtinPattern)
		}
		c.count(at+".options", len(v.Options), 0, 10)
		for name, value := range v.Options {
			c.text(at+".options", name, 1, 50)
			c.text(at+".options."+cut(name, 50), value, 1, 100)
		}
	}
}

func (p *Product) checkOffers(c *check, who caller) {
	c.count("offers", len(p.Offers), 0, 100)
	stores := map[string]bool{}
	for i := range p.Offers {
		o := &p.Offers[i]
		at := fmt.Sprintf("offers[%d]", i)
		c.text(at+".store", o.Store, 1, 64)
		unique(c, stores, at+".store", o.Store)
		if o.Boost != nil && who.owns() != nil {
			c.bad(at+".boost", "is not a seller's to set")
		}
		o.check(c, at)
	}
}

// fillOffers says what a whole product means by what its offers leave out. It comes before the digest of a bulk upsert's
// line: what is left out and what is said to be so are the same.
func (p *Product) fillOffers() {
	for i := range p.Offers {
		o := &p.Offers[i]
		if o.Status == "" {
			o.Status = "active"
		}
		for j := range o.Stock {
			if s := &o.Stock[j]; s.LowStockAt != nil && *s.LowStockAt == 0 {
				s.LowStockAt = nil
			}
		}
	}
}

// checkOffered wants prices and counts to be of the product's own SKUs.
func (p *Product) checkOffered(c *check, own []string) {
	for i, o := range p.Offers {
		for j, price := range o.Prices {
			if !slices.Contains(own, price.SKU) {
				c.bad(fmt.Sprintf("offers[%d].prices[%d].sku", i, j), "is no variant of this product")
			}
		}
		for j, count := range o.Stock {
			if !slices.Contains(own, count.SKU) {
				c.bad(fmt.Sprintf("offers[%d].stock[%d].sku", i, j), "is no variant of this product")
			}
		}
	}
}

// offersAlone says that a PUT is of nothing but offers: prices and counts change a hundred times where a text does once.
func (p *Product) offersAlone() bool {
	return p.Offers != nil && reflect.DeepEqual(*p, Product{Offers: p.Offers})
}

// checkOffersAlone checks what can be without knowing the product's variants.
func (p *Product) checkOffersAlone(who caller) error {
	var c check
	p.checkOffers(&c, who)
	return c.err()
}

func (o *Offer) check(c *check, at string) {
	if o.Status != "" && o.Status != "active" && o.Status != "paused" {
		c.bad(at+".status", "must be active or paused")
	}
	if o.Boost != nil && (*o.Boost <= 0 || *o.Boost > 100) {
		c.bad(at+".boost", "must be above 0 and at most 100")
	}
	c.count(at+".prices", len(o.Prices), 0, maxRows)
	checkPrices(c, at+".prices", o.Prices)
	c.count(at+".stock", len(o.Stock), 0, maxRows)
	seen := map[string]bool{}
	for i, s := range o.Stock {
		field := fmt.Sprintf("%s.stock[%d]", at, i)
		unique(c, seen, field+".sku", s.SKU)
		c.between(field+".on_hand", s.OnHand, 0, maxMovement)
		if s.LowStockAt != nil {
			c.between(field+".low_stock_at", *s.LowStockAt, 0, maxMovement)
		}
	}
}

func (s *Shop) postProduct(c *fiber.Ctx) error {
	key, err := idempotencyKey(c, false)
	if err != nil {
		return err
	}
	who := callerOf(c)
	var p Product
	if err := api.Body(c, &p); err != nil {
		return err
	}
	if err := p.check(who); err != nil {
		return err
	}
	var a answer
	ctx := c.UserContext()
	position, err := s.transact(ctx, func(tx *unit) error {
		a, err = once(ctx, tx, "products/"+who.String(), key, p, func() (answer, error) {
			w := writer{tx: tx, who: who, product: &p}
			if err := w.carryOut(ctx, "product.create", w.insert); err != nil {
				return answer{}, err
			}
			return made(http.StatusCreated, w.id, ProductWritten{ID: w.id, Changed: w.changed})
		})
		return err
	})
	if err != nil {
		return err
	}
	return reply(c, a, position, fmt.Sprintf("/api/v1/products/%d", a.id))
}

func (s *Shop) putProduct(c *fiber.Ctx) error {
	id, err := idParam(c, "product")
	if err != nil {
		return err
	}
	var p Product
	if err := api.Body(c, &p); err != nil {
		return err
	}
	who := callerOf(c)
	change, check := (*writer).update, p.check
	if p.offersAlone() {
		change, check = (*writer).updateOffers, p.checkOffersAlone
	}
	if err := check(who); err != nil {
		return err
	}
	var a answer
	ctx := c.UserContext()
	position, err := s.transact(ctx, func(tx *unit) error {
		w := writer{tx: tx, who: who, product: &p, id: id}
		if err := w.carryOut(ctx, "product.put", func(ctx context.Context) error { return change(&w, ctx) }); err != nil {
			return err
		}
		a, err = made(http.StatusOK, id, ProductWritten{ID: id, Changed: w.changed})
		return err
	})
	if err != nil {
		return err
	}
	return reply(c, a, position, "")
}
