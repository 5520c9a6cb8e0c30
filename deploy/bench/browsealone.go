package bench

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"golang.org/x/sync/errgroup"

	"freshet/projectors/catalog"
	"freshet/projectors/offer"
	"freshet/projectors/tree"
)

// The ceiling of MongoDB is sought for so long, with so many readers, over so many documents of a kind.
const (
	aloneFor     = 5 * time.Second
	aloneReaders = 16
	aloneOf      = 5000
)

// BrowseAlone adds to a report of Browse how many pages a second MongoDB gives away when nobody makes anything of them: the same documents, by
// the same driver, as fast as they come. No read API over it answers more.
func BrowseAlone(ctx context.Context, t Target, report *Report) (err error) {
	client, err := mongo.Connect(options.Client().ApplyURI(t.MongoURL))
	if err != nil {
		return fmt.Errorf("open MongoDB: %w", err)
	}
	defer func() { err = errors.Join(err, client.Disconnect(context.WithoutCancel(ctx))) }()
	p := &pagesAlone{db: client.Database(t.MongoDatabase), ids: map[string][]bson.RawValue{}}
	for _, name := range []string{tree.HomesName, tree.NodesName, offer.CollectionName} {
		if err := p.list(ctx, name); err != nil {
			return err
		}
	}
	t.Note("the pages' documents alone for %s", aloneFor)
	done, err := p.read(ctx)
	if err != nil {
		return err
	}
	row := Row{What: "MongoDB alone"}
	row.Set("n", float64(done))
	row.Set("req/s", float64(done)/aloneFor.Seconds())
	report.Rows = append(report.Rows, row)
	return nil
}

// pagesAlone reads the documents of pages and throws them away.
type pagesAlone struct {
	db  *mongo.Database
	ids map[string][]bson.RawValue // by collection
}

func (p *pagesAlone) list(ctx context.Context, collection string) error {
	cursor, err := p.db.Collection(collection).Find(ctx, bson.D{}, options.Find().SetProjection(bson.D{{Key: "_id", Value: 1}}).SetLimit(aloneOf))
	if err != nil {
		return fmt.Errorf("list %s: %w", collection, err)
	}
	var docs []bson.Raw
	if err := cursor.All(ctx, &docs); err != nil {
		return fmt.Errorf("list %s: %w", collection, err)
	}
	for _, d := range docs {
		p.ids[collection] = append(p.ids[collection], d.Lookup("_id"))
	}
	if len(docs) == 0 {
		return fmt.Errorf("the collection %s is empty", collection)
	}
	return nil
}

// read reads pages in the shares of a visit until the time is over, and returns how many.
func (p *pagesAlone) read(ctx context.Context) (int64, error) {
	group, ctx := errgroup.WithContext(ctx)
	var done atomic.Int64
	until := time.Now().Add(aloneFor)
	for reader := range aloneReaders {
		dice := newRand(uint64(reader))
		group.Go(func() error {
			for time.Now().Before(until) {
				collection := tree.HomesName
				switch draw := dice.Float64(); {
				case draw < browseShares[2].of:
					collection = offer.CollectionName
				case draw < browseShares[2].of+browseShares[1].of:
					collection = tree.NodesName
				}
				ids := p.ids[collection]
				if err := p.page(ctx, collection, ids[dice.IntN(len(ids))]); err != nil {
					return err
				}
				done.Add(1)
			}
			return nil
		})
	}
	err := group.Wait()
	return done.Load(), err
}

// page reads one page: a product page is of two documents.
func (p *pagesAlone) page(ctx context.Context, collection string, id bson.RawValue) error {
	doc, err := p.db.Collection(collection).FindOne(ctx, bson.D{{Key: "_id", Value: id}}).Raw()
	if err == nil && collection == offer.CollectionName {
		_, err = p.db.Collection(catalog.CollectionName).FindOne(ctx, bson.D{{Key: "_id", Value: doc.Lookup("product")}}).Raw()
	}
	if errors.Is(err, mongo.ErrNoDocuments) {
		return nil // gone since it was listed
	}
	return err
}
