package audit

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"strconv"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"freshet/projectors/alert"
	"freshet/projectors/catalog"
	"freshet/projectors/dimension"
	"freshet/projectors/offer"
	"freshet/projectors/order"
	"freshet/projectors/recommend"
	"freshet/projectors/tree"
)

// Stores is the Source of what does exist: the MongoDB collections and the search index, as far as the scope goes.
type Stores struct {
	Database *mongo.Database
	Index    *Index
	Scope
	// known are the products of the scope that Postgres has, where it is not everything; to them come those that the documents say.
	known []int64
}

// ids is the filter of the documents that are looked at, in a collection whose ids begin with the store's.
func (s *Stores) ids() bson.D {
	if s.Store == 0 {
		return bson.D{}
	}
	// ';' follows ':', so this is every id that begins with the store.
	return bson.D{{Key: "_id", Value: bson.D{{Key: "$gte", Value: fmt.Sprintf("%d:", s.Store)}, {Key: "$lt", Value: fmt.Sprintf("%d;", s.Store)}}}}
}

// offers is the same for the offers, which a slice has a part of.
func (s *Stores) offers() bson.D {
	which, bounds := s.ids(), bson.D{}
	for _, b := range s.bounds() {
		bounds = append(bounds, bson.E{Key: "$" + b.name, Value: b.product})
	}
	if len(bounds) > 0 {
		which = append(which, bson.E{Key: "product", Value: bounds})
	}
	return which
}

// products is the same for the products.
func (s *Stores) products(ctx context.Context) (bson.D, error) {
	if s.whole() {
		return bson.D{}, nil
	}
	ids, err := s.numbers(ctx, "offers", "product", append(s.offers(), live...))
	if err != nil {
		return nil, err
	}
	if s.Rest {
		offered := ids
		if ids, err = s.numbers(ctx, "products", "_id", live); err != nil {
			return nil, err
		}
		maps.DeleteFunc(ids, func(id int64, _ bool) bool { return offered[id] })
	}
	for _, id := range s.known {
		ids[id] = true
	}
	return among(ids, "_id"), nil
}

// live is the filter of the documents whose row is known and not deleted, the same that the canonical forms take for live. An
// offer that was deleted before the first snapshot, or in what Kafka has lost, is a document of its sales alone.
var live = bson.D{
	{Key: "row.pos.c", Value: bson.D{{Key: "$gt", Value: 0}}},
	{Key: "row.deleted", Value: bson.D{{Key: "$ne", Value: true}}},
}

// numbers reads a field of the documents that match.
func (s *Stores) numbers(ctx context.Context, collection, field string, which bson.D) (map[int64]bool, error) {
	cur, err := s.Database.Collection(collection).Find(ctx, which, options.Find().SetProjection(bson.D{{Key: field, Value: 1}}))
	if err != nil {
		return nil, fmt.Errorf("read %s of %s: %w", field, collection, err)
	}
	defer func() { _ = cur.Close(ctx) }() // read to its end, or an error is returned already
	numbers := map[int64]bool{}
	for cur.Next(ctx) {
		numbers[cur.Current.Lookup(field).AsInt64()] = true
	}
	if err := cur.Err(); err != nil {
		return nil, fmt.Errorf("read %s of %s: %w", field, collection, err)
	}
	return numbers, nil
}

// Documents reads all live documents of a kind; tombstones are not documents.
func (s *Stores) Documents(ctx context.Context, kind Kind) (Documents, error) {
	switch kind {
	case Product:
		which, err := s.products(ctx)
		if err != nil {
			return nil, err
		}
		return collect(ctx, s.Database.Collection("products"), which, canonicalProduct)
	case Dimension:
		// Beside the rows the collection has a document that counts their changes, which is no row of any table.
		return collect(ctx, s.Database.Collection(dimension.CollectionName), bson.D{{Key: "row", Value: bson.D{{Key: "$exists", Value: true}}}}, canonicalDimension)
	case Offer:
		return collect(ctx, s.Database.Collection("offers"), s.offers(), canonicalOffer)
	case Node:
		return collectPages(ctx, s.Database.Collection("nodes"), s.ids(), tree.NodeCap, canonicalNode)
	case Home:
		return collectPages(ctx, s.Database.Collection("homes"), s.ids(), tree.HomeCap, canonicalHome)
	case Order:
		which := bson.D{}
		if s.Store != 0 {
			which = append(which, bson.E{Key: "row.store", Value: s.Store})
		}
		return collect(ctx, s.Database.Collection(order.CollectionName), which, canonicalOrder)
	case Level:
		return collect(ctx, s.Database.Collection(alert.LevelsCollectionName), s.ids(), canonicalLevel)
	case Together:
		return collect(ctx, s.Database.Collection(recommend.TogetherCollectionName), bson.D{}, canonicalTogether)
	case Picks:
		return collect(ctx, s.Database.Collection(recommend.PicksCollectionName), bson.D{}, canonicalPicks)
	case Search:
		return s.Index.Documents(ctx, s.Scope)
	}
	return nil, fmt.Errorf("unknown read model %q", kind)
}

// collect reads what matches of a collection; canonical answers false for a tombstone.
func collect[T any](ctx context.Context, c *mongo.Collection, which bson.D, canonical func(*T) (key string, doc any, live bool, err error)) (Documents, error) {
	cur, err := c.Find(ctx, which)
	if err != nil {
		return nil, fmt.Errorf("find in %s: %w", c.Name(), err)
	}
	defer func() { _ = cur.Close(ctx) }() // read to its end, or an error is returned already
	docs := Documents{}
	for cur.Next(ctx) {
		var t T
		if err := cur.Decode(&t); err != nil {
			return nil, fmt.Errorf("decode a document of %s: %w", c.Name(), err)
		}
		key, doc, live, err := canonical(&t)
		if err != nil {
			return nil, fmt.Errorf("document %s of %s: %w", key, c.Name(), err)
		}
		if !live {
			continue
		}
		if docs[key], err = roundTrip(doc); err != nil {
			return nil, fmt.Errorf("document %s of %s: %w", key, c.Name(), err)
		}
	}
	if err := cur.Err(); err != nil {
		return nil, fmt.Errorf("read %s: %w", c.Name(), err)
	}
	return docs, nil
}

// roundTrip turns typed values into the forms that JSON decoding yields.
func roundTrip(v any) (any, error) {
	raw, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	var out any
	return out, json.Unmarshal(raw, &out)
}

// canonicalDimension takes the row as it is on the topic: times as text, and labels as the text of their JSON.
func canonicalDimension(r *dimension.Row) (string, any, bool, error) {
	if r.Deleted || r.Row == nil {
		return r.ID, nil, false, nil
	}
	row := map[string]any{}
	if err := json.Unmarshal(r.Row, &row); err != nil {
		return r.ID, nil, false, err
	}
	for column, value := range row {
		text, ok := value.(string)
		if !ok {
			continue
		}
		var err error
		switch column {
		case "created_at", "valid_from", "valid_to":
			row[column], err = micros(text)
		case "labels":
			var labels any
			err = json.Unmarshal([]byte(text), &labels)
			row[column] = labels
		}
		if err != nil {
			return r.ID, nil, false, err
		}
	}
	return r.ID, row, true, nil
}

func canonicalProduct(p *catalog.Product) (string, any, bool, error) {
	key := strconv.FormatInt(p.ID, 10)
	if p.Row.Pos.IsZero() || p.Row.Deleted {
		return key, nil, false, nil
	}
	created, err := micros(p.Row.CreatedAt)
	if err != nil {
		return key, nil, false, err
	}
	var count, sum int64
	for _, t := range p.Reviews {
		count, sum = count+t.Count, sum+t.Sum
	}
	texts, variants, categories := map[string]any{}, map[string]any{}, map[string]any{}
	for _, t := range p.Texts {
		if !t.Deleted {
			texts[t.Lang] = map[string]any{"title": t.Title, "slug": t.Slug, "description": t.Description}
		}
	}
	for _, v := range p.Variants {
		if !v.Deleted {
			variants[v.SKU] = map[string]any{"options": v.Options, "gtin": v.GTIN}
		}
	}
	for _, c := range p.Categories {
		if !c.Deleted {
			categories[strconv.FormatInt(c.ID, 10)] = c.Position
		}
	}
	return key, map[string]any{
		"seller": p.Row.SellerID, "brand": p.Row.BrandID, "brand_name": p.Brand.Name, "type": p.Row.Type,
		"status": p.Row.Status, "gtin": p.Row.GTIN, "created_at": created, "attributes": p.Attributes.Value,
		"images": p.Images.Value, "reviews": count, "ratings": sum, "texts": texts, "variants": variants, "categories": categories,
	}, true, nil
}

func canonicalOffer(o *offer.Offer) (string, any, bool, error) {
	if o.Row.Pos.IsZero() || o.Row.Deleted {
		return o.ID, nil, false, nil
	}
	prices, stock := map[string]any{}, map[string]any{}
	for _, p := range o.Prices {
		if p.Deleted {
			continue
		}
		from, err := micros(p.ValidFrom)
		if err != nil {
			return o.ID, nil, false, err
		}
		to, err := micros(p.ValidTo)
		if err != nil {
			return o.ID, nil, false, err
		}
		prices[p.SKU] = map[string]any{"amount": p.Amount, "list_amount": p.ListAmount, "valid_from": from, "valid_to": to}
	}
	for _, s := range o.Stock {
		if !s.Deleted {
			stock[s.SKU] = map[string]any{"on_hand": s.OnHand, "reserved": s.Reserved, "low_stock_at": s.LowStockAt}
		}
	}
	return o.ID, map[string]any{
		"status": o.Row.Status, "boost": o.Row.Boost, "prices": prices, "stock": stock, "passed": o.Passed, "edge": o.Edge,
		"units": o.Sales.Units, "popularity": round4(math.Log2(1 + o.Sales.Score)),
	}, true, nil
}

// canonicalLevel also fails a document with an alert that was never sent, since its owner is known by now.
func canonicalLevel(s *alert.Stock) (string, any, bool, error) {
	levels := map[string]any{}
	for _, sku := range s.SKUs {
		if sku.Level != "" {
			levels[sku.SKU] = sku.Level
		}
	}
	return s.ID, map[string]any{"levels": levels, "pending": len(s.Pending)}, len(levels) > 0, nil
}

func canonicalNode(n tree.Node) map[string]any {
	return map[string]any{
		"slug": n.Slug, "name": n.Name, "breadcrumbs": list(n.Breadcrumbs), "children": list(n.Children),
		"count": n.Count, "cards": cards(n.Cards), "facets": list(n.Facets),
	}
}

func canonicalHome(h tree.Home) map[string]any {
	categories := []any{}
	for _, c := range h.Categories {
		categories = append(categories, map[string]any{"id": c.ID, "slug": c.Slug, "name": c.Name, "count": c.Count, "cards": cards(c.Cards)})
	}
	return map[string]any{"categories": categories}
}

func cards(in []tree.Card) []any {
	out := []any{}
	for _, c := range in {
		out = append(out, map[string]any{
			"product": c.Product, "title": c.Title, "slug": c.Slug, "price": c.Price, "list_price": c.ListPrice,
			"image": c.Image, "brand": c.Brand, "in_stock": c.InStock, "low_stock": c.LowStock,
			"rating": c.Rating, "reviews": c.Reviews,
		})
	}
	return out
}

// list keeps an empty list from becoming null.
func list[T any](in []T) []T {
	if in == nil {
		return []T{}
	}
	return in
}

// micros turns a document's time into microseconds since the epoch; nil for none.
func micros(s string) (*int64, error) {
	if s == "" {
		return nil, nil
	}
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		return nil, fmt.Errorf("parse the time %q: %w", s, err)
	}
	us := t.UnixMicro()
	return &us, nil
}

func round4(f float64) float64 { return math.Round(f*1e4) / 1e4 }
