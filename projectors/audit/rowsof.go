package audit

import (
	"context"
	"fmt"
	"strconv"

	"go.mongodb.org/mongo-driver/v2/bson"

	"freshet/projectors/catalog"
	"freshet/projectors/offer"
)

// rowsOf tells the rows that the documents of the products and offers say exist.
func (s *Stores) rowsOf(ctx context.Context, products []int64, offers [][2]int64, put func(table string, key ...string)) error {
	ids := bson.A{}
	for _, id := range products {
		put("products", strconv.FormatInt(id, 10))
		ids = append(ids, id)
	}
	var catalogued []catalog.Product
	if err := s.all(ctx, catalog.CollectionName, bson.D{{Key: "_id", Value: bson.D{{Key: "$in", Value: ids}}}}, &catalogued); err != nil {
		return err
	}
	for _, p := range catalogued {
		id := strconv.FormatInt(p.ID, 10)
		for _, t := range p.Texts {
			put("product_texts", id, t.Lang)
		}
		for _, v := range p.Variants {
			put("variants", v.SKU)
		}
		for _, c := range p.Categories {
			put("product_categories", id, strconv.FormatInt(c.ID, 10))
		}
	}
	ids = bson.A{}
	for _, o := range offers {
		put("offers", strconv.FormatInt(o[0], 10), strconv.FormatInt(o[1], 10))
		ids = append(ids, offer.ID(o[0], o[1]))
	}
	var offered []offer.Offer
	if err := s.all(ctx, offer.CollectionName, bson.D{{Key: "_id", Value: bson.D{{Key: "$in", Value: ids}}}}, &offered); err != nil {
		return err
	}
	for _, o := range offered {
		store := strconv.FormatInt(o.Store, 10)
		for _, p := range o.Prices {
			put("prices", store, p.SKU)
		}
		for _, x := range o.Stock {
			put("inventory", store, x.SKU)
		}
	}
	return nil
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
