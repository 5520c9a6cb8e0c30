package audit

import (
	"context"
	"fmt"
	"strconv"

	"go.mongodb.org/mongo-driver/v2/bson"

	"freshet/projectors/catalog"
	"freshet/projectors/offer"
	"freshet/projectors/order"
	"freshet/projectors/recommend"
)

// rowsOf tells the rows that the wrong documents say exist.
func (s *Stores) rowsOf(ctx context.Context, wrong *folded, put func(table string, key ...string)) error {
	if err := s.rowsOfProducts(ctx, wrong.products, put); err != nil {
		return err
	}
	if err := s.rowsOfOffers(ctx, wrong.offers, put); err != nil {
		return err
	}
	return s.rowsOfOrders(ctx, wrong.orders, put)
}

func (s *Stores) rowsOfProducts(ctx context.Context, wrong map[int64]bool, put func(table string, key ...string)) error {
	var products []catalog.Product
	if err := s.all(ctx, catalog.CollectionName, among(wrong, "_id"), &products); err != nil {
		return err
	}
	for id := range wrong {
		put("products", text(id))
	}
	for _, p := range products {
		for _, t := range p.Texts {
			put("product_texts", text(p.ID), t.Lang)
		}
		for _, v := range p.Variants {
			put("variants", v.SKU)
		}
		for _, c := range p.Categories {
			put("product_categories", text(p.ID), text(c.ID))
		}
	}
	parts := bson.A{}
	for id := range wrong {
		for _, part := range catalog.RatingIDs(id) {
			parts = append(parts, part)
		}
	}
	var ratings []catalog.Ratings
	if err := s.all(ctx, catalog.RatingCollectionName, bson.D{{Key: "_id", Value: bson.D{{Key: "$in", Value: parts}}}}, &ratings); err != nil {
		return err
	}
	for _, r := range ratings {
		for _, review := range r.Reviews {
			put("reviews", text(review.ID))
		}
	}
	return nil
}

func (s *Stores) rowsOfOffers(ctx context.Context, wrong map[[2]int64]bool, put func(table string, key ...string)) error {
	ids := bson.A{}
	for o := range wrong {
		put("offers", text(o[0]), text(o[1]))
		ids = append(ids, offer.ID(o[0], o[1]))
	}
	var offers []offer.Offer
	if err := s.all(ctx, offer.CollectionName, bson.D{{Key: "_id", Value: bson.D{{Key: "$in", Value: ids}}}}, &offers); err != nil {
		return err
	}
	for _, o := range offers {
		for _, p := range o.Prices {
			put("prices", text(o.Store), p.SKU)
		}
		for _, x := range o.Stock {
			put("inventory", text(o.Store), x.SKU)
		}
	}
	return nil
}

func (s *Stores) rowsOfOrders(ctx context.Context, wrong map[int64]bool, put func(table string, key ...string)) error {
	var orders []order.Order
	if err := s.all(ctx, order.CollectionName, among(wrong, "_id"), &orders); err != nil {
		return err
	}
	for id := range wrong {
		put("orders", text(id))
	}
	for _, o := range orders {
		for _, l := range o.Lines {
			put("order_items", text(o.ID), text(l.Line))
		}
		for _, x := range o.Payments {
			put("payments", text(x.ID))
		}
		for _, x := range o.Shipments {
			put("shipments", text(x.ID))
		}
		for _, x := range o.Scans {
			put("shipment_events", text(x.ID))
		}
		for _, x := range o.Returns {
			put("returns", text(x.ID))
		}
		for _, x := range o.Refunds {
			put("refunds", text(x.ID))
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
