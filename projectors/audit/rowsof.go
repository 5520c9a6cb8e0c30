package audit

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"freshet/projectors/alert"
	"freshet/projectors/catalog"
	"freshet/projectors/offer"
	"freshet/projectors/order"
	"freshet/projectors/recommend"
)

// putRow is told of a row: its table, the product or order that routes it, and the values of its key.
type putRow func(table, route string, key ...string)

// rowsOf tells the rows that the wrong documents say exist, and those that what is kept beside them says.
func (s *Stores) rowsOf(ctx context.Context, wrong *folded, put putRow) error {
	if err := s.rowsOfProducts(ctx, wrong.products, put); err != nil {
		return err
	}
	if err := s.rowsOfOffers(ctx, wrong.offers, put); err != nil {
		return err
	}
	return s.rowsOfOrders(ctx, wrong.orders, put)
}

func (s *Stores) rowsOfProducts(ctx context.Context, wrong map[int64]bool, put putRow) error {
	var products []catalog.Product
	if err := s.all(ctx, catalog.CollectionName, among(wrong, "_id"), &products); err != nil {
		return err
	}
	for id := range wrong {
		put("products", text(id), text(id))
	}
	for _, p := range products {
		for _, t := range p.Texts {
			if !t.Deleted {
				put("product_texts", text(p.ID), text(p.ID), t.Lang)
			}
		}
		for _, v := range p.Variants {
			if !v.Deleted {
				put("variants", text(p.ID), v.SKU)
			}
		}
		for _, c := range p.Categories {
			if !c.Deleted {
				put("product_categories", text(p.ID), text(p.ID), text(c.ID))
			}
		}
	}
	return s.rowsOfRatings(ctx, wrong, put)
}

func (s *Stores) rowsOfRatings(ctx context.Context, wrong map[int64]bool, put putRow) error {
	parts, products := bson.A{}, map[string]int64{}
	for id := range wrong {
		for _, part := range catalog.RatingIDs(id) {
			parts, products[part] = append(parts, part), id
		}
	}
	var ratings []catalog.Ratings
	if err := s.all(ctx, catalog.RatingCollectionName, bson.D{{Key: "_id", Value: bson.D{{Key: "$in", Value: parts}}}}, &ratings); err != nil {
		return err
	}
	for _, r := range ratings {
		for _, review := range r.Reviews {
			if review.Rating > 0 {
				put("reviews", text(products[r.ID]), text(review.ID))
			}
		}
	}
	return nil
}

func (s *Stores) rowsOfOffers(ctx context.Context, wrong map[[2]int64]bool, put putRow) error {
	ids, products := bson.A{}, map[string]int64{}
	for o := range wrong {
		put("offers", text(o[1]), text(o[0]), text(o[1]))
		id := offer.ID(o[0], o[1])
		ids, products[id] = append(ids, id), o[1]
	}
	which := bson.D{{Key: "_id", Value: bson.D{{Key: "$in", Value: ids}}}}
	var offers []offer.Offer
	if err := s.all(ctx, offer.CollectionName, which, &offers); err != nil {
		return err
	}
	for _, o := range offers {
		for _, p := range o.Prices {
			if !p.Deleted {
				put("prices", text(o.Product), text(o.Store), p.SKU)
			}
		}
		for _, x := range o.Stock {
			if !x.Deleted {
				put("inventory", text(o.Product), text(o.Store), x.SKU)
			}
		}
	}
	return s.rowsOfLevels(ctx, which, products, put)
}

func (s *Stores) rowsOfLevels(ctx context.Context, which bson.D, products map[string]int64, put putRow) error {
	var levels []alert.Stock
	if err := s.all(ctx, alert.LevelsCollectionName, which, &levels); err != nil {
		return err
	}
	for _, l := range levels {
		store, _, _ := strings.Cut(l.ID, ":")
		for _, x := range l.SKUs {
			if x.Level != "" {
				put("inventory", text(products[l.ID]), store, x.SKU)
			}
		}
	}
	return nil
}

func (s *Stores) rowsOfOrders(ctx context.Context, wrong map[int64]bool, put putRow) error {
	var orders []order.Order
	if err := s.all(ctx, order.CollectionName, among(wrong, "_id"), &orders); err != nil {
		return err
	}
	for id := range wrong {
		put("orders", text(id), text(id))
	}
	for _, o := range orders {
		live := func(m order.Mark, table string, key ...string) {
			if m.Live() {
				put(table, text(o.ID), key...)
			}
		}
		for _, l := range o.Lines {
			live(l.Mark, "order_items", text(o.ID), text(l.Line))
		}
		for _, x := range o.Payments {
			live(x.Mark, "payments", text(x.ID))
		}
		for _, x := range o.Shipments {
			live(x.Mark, "shipments", text(x.ID))
		}
		for _, x := range o.Scans {
			live(x.Mark, "shipment_events", text(x.ID))
		}
		for _, x := range o.Returns {
			live(x.Mark, "returns", text(x.ID))
		}
		for _, x := range o.Refunds {
			live(x.Mark, "refunds", text(x.ID))
		}
	}
	return s.rowsOfBaskets(ctx, wrong, put)
}

func (s *Stores) rowsOfBaskets(ctx context.Context, wrong map[int64]bool, put putRow) error {
	var baskets []recommend.Basket
	if err := s.all(ctx, recommend.BasketsCollectionName, among(wrong, "_id"), &baskets); err != nil {
		return err
	}
	for _, b := range baskets {
		for _, l := range b.Lines {
			if l.Counts {
				put("order_items", text(b.ID), text(b.ID), text(l.Line))
			}
		}
	}
	return nil
}

// ordersBehind adds the orders that the stored baskets count for what is recommended.
func (s *Stores) ordersBehind(ctx context.Context, wrong *folded) error {
	var baskets []recommend.Basket
	which := bson.D{{Key: "$or", Value: bson.A{among(wrong.together, "products"), among(wrong.picks, "customer")}}}
	if err := s.all(ctx, recommend.BasketsCollectionName, which, &baskets); err != nil {
		return err
	}
	for _, b := range baskets {
		wrong.orders[b.ID] = true
	}
	return nil
}

func text(id int64) string { return strconv.FormatInt(id, 10) }

// among is the filter of the documents whose field is one of the numbers.
func among(ids map[int64]bool, field string) bson.D {
	list := bson.A{}
	for id := range ids {
		list = append(list, id)
	}
	return bson.D{{Key: field, Value: bson.D{{Key: "$in", Value: list}}}}
}

// offering returns the store and product of each offer of the products, of the audit's store alone where it has one.
func (s *Stores) offering(ctx context.Context, products []int64) ([][2]int64, error) {
	if len(products) == 0 {
		return nil, nil
	}
	which := append(bson.D{{Key: "product", Value: bson.D{{Key: "$in", Value: products}}}}, s.ids()...)
	var offers []offer.Offer
	if err := s.all(ctx, offer.CollectionName, which, &offers); err != nil {
		return nil, err
	}
	pairs := make([][2]int64, len(offers))
	for i, o := range offers {
		pairs[i] = [2]int64{o.Store, o.Product}
	}
	return pairs, nil
}

func (s *Stores) all(ctx context.Context, collection string, which bson.D, into any) error {
	cur, err := s.Database.Collection(collection).Find(ctx, which)
	if err == nil {
		err = cur.All(ctx, into)
	}
	if err != nil {
		return fmt.Errorf("read %s: %w", collection, err)
	}
	return nil
}
