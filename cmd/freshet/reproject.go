package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"freshet/projectors"
	"freshet/projectors/dimension"
	"freshet/projectors/document"
	"freshet/projectors/offer"
)

// reprojectOptions are the settings of reproject alone.
type reprojectOptions struct {
	store             string
	product, category int64
	reason            string
}

func newReprojectCommand(s *settings) *cobra.Command {
	var o reprojectOptions
	cmd := &cobra.Command{
		Use:   "reproject",
		Short: "Make the pages and search documents of one product, or the pages of one category, again",
		Long: `Asks the projectors to make again what shows one product (the pages of its categories, the home page
and its search documents), from its documents in MongoDB, or the pages of one category. What is stored
is written over, whatever it says. Without --store it is asked of every store that offers the product.
The request is durable when the command ends. For a whole store there is rebuild; for documents in
MongoDB that differ from Postgres there is audit --repair.`,
		Example: "  freshet reproject --product 42\n  freshet reproject --store emporio-aurora-milano --category 7",
		GroupID: "data",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return s.reproject(cmd.Context(), o) },
	}
	flags := cmd.Flags()
	flags.StringVar(&o.store, "store", "", "the store, by id or code; needed with --category")
	flags.Int64Var(&o.product, "product", 0, "id of the product")
	flags.Int64Var(&o.category, "category", 0, "id of the category")
	flags.StringVar(&o.reason, "reason", "asked for on the command line", "why, for the projectors' log")
	return cmd
}

func (s *settings) reproject(ctx context.Context, o reprojectOptions) (err error) {
	if (o.product > 0) == (o.category > 0) || (o.category > 0 && o.store == "") {
		return errors.New("reproject what? give --product, or --store and --category")
	}
	client, err := s.openMongo("reproject")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, client.Disconnect(context.WithoutCancel(ctx))) }()
	stores, version, err := s.storesOf(ctx, client.Database(s.mongoDatabase), o)
	if err != nil {
		return err
	}
	for _, store := range stores {
		command := projectors.Command{Kind: projectors.Product, Store: store, Product: o.product, Dimensions: version, ID: randomID(), Reason: o.reason}
		if o.category > 0 {
			command.Kind, command.Category = projectors.Node, o.category
		}
		if _, _, err := s.publishCommand(ctx, command); err != nil {
			return err
		}
		if err := s.printf("%s of store %d is on its way as %s\n", command.Kind, store, command.ID); err != nil {
			return err
		}
	}
	return nil
}

// storesOf returns the store that is named, or all that have an offer of the product, and the version of the dimensions.
func (s *settings) storesOf(ctx context.Context, db *mongo.Database, o reprojectOptions) (stores []int64, version int64, err error) {
	dims := dimension.NewCache(db, dimension.CacheConfig{Logger: s.logger()})
	if err := dims.Refresh(ctx); err != nil {
		return nil, 0, err
	}
	if o.store != "" {
		store, ok := dims.Get().StoreNamed(o.store)
		if !ok {
			return nil, 0, fmt.Errorf("there is no store %q; the read API lists them at /api/v1/stores", o.store)
		}
		return []int64{store.ID}, dims.Get().Version(), nil
	}
	err = offer.Open(db, document.Config{}).Where(ctx, "product", []int64{o.product}, func(doc *offer.Offer) error {
		stores = append(stores, doc.Store)
		return nil
	})
	if err == nil && len(stores) == 0 {
		err = fmt.Errorf("no store has an offer of product %d in MongoDB; freshet explain says where it got stuck", o.product)
	}
	return stores, dims.Get().Version(), err
}

// randomID names a request.
func randomID() string {
	var id [8]byte
	_, _ = rand.Read(id[:]) // never fails: it ends the process instead
	return hex.EncodeToString(id[:])
}
