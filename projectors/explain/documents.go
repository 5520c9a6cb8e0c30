package explain

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"freshet/projectors/catalog"
	"freshet/projectors/document"
	"freshet/projectors/offer"
	"freshet/projectors/view"
)

// documents are the two that a view is joined of, and the view.
type documents struct {
	product *catalog.Product
	offer   *offer.Offer
	view    view.Offer
}

// documents reads the product's and the offer's document and compares them with the rows.
func (t *tour) documents(ctx context.Context) error {
	products, err := catalog.Open(t.cfg.Database, document.Config{}).Load(ctx, []int64{t.Product})
	if err != nil {
		return err
	}
	id := offer.ID(t.Store, t.Product)
	offers, err := offer.Open(t.cfg.Database, document.Config{}).Load(ctx, []string{id})
	if err != nil {
		return err
	}
	t.docs.product, t.docs.offer = products[t.Product], offers[id]
	t.add(t.productHop(t.docs.product))
	t.add(t.offerHop(id, t.docs.offer))
	return nil
}

func (t *tour) productHop(p *catalog.Product) Hop {
	h := Hop{Hop: "product", Where: fmt.Sprintf("products/%d", t.Product), Found: p != nil}
	there := p != nil && !p.Row.Pos.IsZero() && !p.Row.Deleted
	var differs []string
	if there != (t.rows.status != nil) {
		differs = append(differs, fmt.Sprintf("the row is there: %t, in the document: %t", t.rows.status != nil, there))
	}
	if p != nil {
		h.from(p.Source)
		h.Version, h.Holds = p.Rev, "the row is gone"
	}
	if there {
		var langs, skus []string
		for _, x := range p.Texts {
			if !x.Deleted {
				langs = append(langs, x.Lang)
			}
		}
		for _, v := range p.Variants {
			if !v.Deleted {
				skus = append(skus, v.SKU)
			}
		}
		h.Holds = fmt.Sprintf("product %s, texts in %s, SKUs %s", p.Row.Status, strings.Join(langs, " "), strings.Join(skus, " "))
		if t.rows.status != nil {
			differs = append(differs, t.productDiffers(p, langs, skus)...)
		}
	}
	t.differ(&h, "catalog", differs, fmt.Sprintf("freshet audit --store %s --repair", t.Code))
	return h
}

func (t *tour) productDiffers(p *catalog.Product, langs, skus []string) (differs []string) {
	if p.Row.Status != *t.rows.status {
		differs = append(differs, fmt.Sprintf("the status is %s in Postgres and %s in the document", *t.rows.status, p.Row.Status))
	}
	if !slices.Equal(langs, t.rows.languages) {
		differs = append(differs, fmt.Sprintf("texts are in %v in Postgres and in %v in the document", t.rows.languages, langs))
	}
	var want []string
	for _, v := range t.rows.variants {
		want = append(want, v.SKU)
	}
	slices.Sort(want) // Postgres sorts by the database's collation
	if !slices.Equal(skus, want) {
		differs = append(differs, fmt.Sprintf("SKUs are %v in Postgres and %v in the document", want, skus))
	}
	return differs
}

func (t *tour) offerHop(id string, o *offer.Offer) Hop {
	h := Hop{Hop: "offer", Where: "offers/" + id, Found: o != nil}
	there := o != nil && !o.Row.Pos.IsZero() && !o.Row.Deleted
	var differs []string
	if there != (t.rows.offer != nil) {
		differs = append(differs, fmt.Sprintf("the row is there: %t, in the document: %t", t.rows.offer != nil, there))
	}
	if o != nil {
		h.from(o.Source)
		h.Version, h.Holds = o.Rev, "the row is gone"
	}
	if there {
		h.Holds = fmt.Sprintf("offer %s, %d prices, %d stocks", o.Row.Status, len(o.Prices), len(o.Stock))
		if t.rows.offer != nil {
			differs = append(differs, t.offerDiffers(o)...)
		}
	}
	t.differ(&h, "offer", differs, fmt.Sprintf("freshet audit --store %s --repair", t.Code))
	return h
}

func (t *tour) offerDiffers(o *offer.Offer) (differs []string) {
	if o.Row.Status != t.rows.offer.Status {
		differs = append(differs, fmt.Sprintf("the status is %s in Postgres and %s in the document", t.rows.offer.Status, o.Row.Status))
	}
	prices, stocks := map[string]int64{}, map[string]int64{}
	for _, p := range o.Prices {
		if !p.Deleted {
			prices[p.SKU] = p.Amount
		}
	}
	for _, s := range o.Stock {
		if !s.Deleted {
			stocks[s.SKU] = s.OnHand - s.Reserved
		}
	}
	for _, v := range t.rows.variants {
		differs = append(differs, compare("price", v.SKU, v.Amount, prices)...)
		var free *int64
		if v.OnHand != nil {
			n := *v.OnHand - *v.Reserved
			free = &n
		}
		differs = append(differs, compare("stock", v.SKU, free, stocks)...)
	}
	return differs
}

// compare tells where a number of a SKU is another in the document.
func compare(what, sku string, want *int64, document map[string]int64) []string {
	got, there := document[sku]
	switch {
	case want == nil && !there, want != nil && there && *want == got:
		return nil
	case want == nil:
		return []string{fmt.Sprintf("the %s of %s is not in Postgres and %d in the document", what, sku, got)}
	case !there:
		return []string{fmt.Sprintf("the %s of %s is %d in Postgres and not in the document", what, sku, *want)}
	}
	return []string{fmt.Sprintf("the %s of %s is %d in Postgres and %d in the document", what, sku, *want, got)}
}

// differ adds what differs as a finding. A document that is newer than the rows proves nothing.
func (t *tour) differ(h *Hop, stage string, differs []string, mend string) {
	switch {
	case len(differs) == 0:
	case h.Position != nil && h.Position.Commit > t.rows.at:
		h.find(Note, "newer", "", "it has changed since Postgres was read: %s", strings.Join(differs, "; "))
	default:
		t.short(h, []string{"ingest", stage}, "document-differs", mend, "%s", strings.Join(differs, "; "))
	}
}

// view joins the documents and compares the view with the newest one published.
func (t *tour) view(ctx context.Context) error {
	t.docs.view = view.Join(t.docs.product, t.docs.offer)
	v := &t.docs.view
	h := Hop{Hop: "view", Where: "joined from both documents", Found: v.Version > 0, Version: v.Version}
	h.from(v.Source)
	h.Holds = fmt.Sprintf("visible %t, price %d, %d to be had", v.Visible, v.Price, v.Available)
	t.add(h)
	newest, record, err := t.published(ctx)
	if err != nil {
		return err
	}
	p := Hop{Hop: "view", Where: "on " + t.cfg.Prefix + ".view.offers", Found: newest != nil}
	if newest == nil {
		p.Holds = "no view of it among the newest records"
		t.add(p)
		return nil
	}
	p.Where, p.Version = fmt.Sprintf("%s/%d@%d", record.Topic, record.Partition, record.Offset), newest.Version
	p.from(newest.Source)
	p.Holds = fmt.Sprintf("visible %t, price %d, %d to be had", newest.Visible, newest.Price, newest.Available)
	if newest.Version < v.Version {
		t.short(&p, []string{"catalog", "offer"}, "view-not-published", t.reproject(), "the newest published view is version %d, the documents make %d", newest.Version, v.Version)
	}
	for _, stage := range []string{"tree", "index"} {
		committed, err := t.cfg.Groups.Committed(ctx, t.cfg.Prefix+"."+stage, record.Topic, record.Partition)
		if err != nil {
			return err
		}
		if t.unread(stage, committed, record.Offset, p.Position) {
			p.find(Behind, "not-read", t.wait(stage), "stage %s has not read it: it goes on at offset %d", stage, max(committed, 0))
		}
	}
	t.add(p)
	return nil
}

// reproject is the command that makes what follows the documents anew.
func (t *tour) reproject() string {
	return fmt.Sprintf("freshet reproject --store %s --product %d", t.Code, t.Product)
}
