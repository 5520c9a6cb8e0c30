package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"freshet/api/write/contact"
	"freshet/ingest/change"
	"freshet/projectors"
	"freshet/projectors/alert"
	"freshet/projectors/catalog"
	"freshet/projectors/demand"
	"freshet/projectors/dimension"
	"freshet/projectors/document"
	"freshet/projectors/index"
	"freshet/projectors/notify"
	"freshet/projectors/offer"
	"freshet/projectors/order"
	"freshet/projectors/recommend"
	"freshet/projectors/tree"
	"freshet/projectors/view"
	"freshet/search"
)

// wiring is what the stages are made of.
type wiring struct {
	settings *settings
	options  projectOptions
	db       *mongo.Database
	runtime  *projectors.Runtime
	cache    *dimension.Cache
	book     *contact.Book // of notify
	registry prometheus.Registerer
}

func (w *wiring) stages(ctx context.Context, names []string) ([]projectors.Stage, error) {
	if err := errors.Join(catalog.EnsureIndexes(ctx, w.db), offer.EnsureIndexes(ctx, w.db), order.EnsureIndexes(ctx, w.db), alert.EnsureIndexes(ctx, w.db), recommend.EnsureIndexes(ctx, w.db), demand.EnsureIndexes(ctx, w.db), notify.EnsureIndexes(ctx, w.db)); err != nil {
		return nil, fmt.Errorf("create the documents' indexes: %w", err)
	}
	var stages []projectors.Stage
	for _, name := range slices.Compact(slices.Sorted(slices.Values(names))) {
		stage, err := w.stage(name)
		if err != nil {
			return nil, err
		}
		stages = append(stages, stage)
	}
	return stages, nil
}

func (w *wiring) stage(name string) (projectors.Stage, error) {
	docs := document.Config{Plain: w.options.plain}
	prefix, out := w.settings.prefix, w.runtime.Producer()
	views := view.NewPublisher(catalog.Open(w.db, docs), offer.Open(w.db, docs), out, prefix)
	switch name {
	case "dimension":
		return w.tables(name, dimension.Tables, func(int) projectors.Handler { return dimension.NewProjector(w.db, docs, out, prefix) }, change.CommandTopic(prefix)), nil
	case "catalog":
		stage := w.tables(name, catalog.Tables, func(int) projectors.Handler { return catalog.NewProjector(w.db, docs, views) }, change.OfferViewTopic(prefix))
		stage.BulkBatch = bulkProducts
		return stage, nil
	case "offer":
		stage := w.tables(name, offer.Tables, func(partition int) projectors.Handler {
			if partition == 0 {
				return offer.NewTimekeeper(w.db, docs, views)
			}
			return offer.NewProjector(w.db, docs, views)
		}, change.OfferViewTopic(prefix))
		stage.BulkBatch = bulkOffers
		// Not the ledger: its counter goes by a high-water mark.
		for _, table := range []string{"offers", "prices", "inventory"} {
			stage.Overtake = append(stage.Overtake, change.Topic(prefix, "public", table))
		}
		return stage, nil
	case "tree":
		stage, err := tree.NewStage(tree.Config{Prefix: prefix, Log: w.settings.logger(), Registry: w.registry}, tree.NewStore(w.db, !w.options.plain), w.cache)
		stage.Repair = rebuildAll
		return stage, err
	case "index":
		return w.index(docs)
	case order.StageName:
		return w.tables(name, order.Tables, func(int) projectors.Handler { return order.NewProjector(w.db, docs) }), nil
	case alert.StageName:
		stage := w.tables(name, alert.Tables, func(int) projectors.Handler { return alert.NewProjector(w.db, docs, out, prefix) }, change.AlertTopic(prefix))
		stage.Window = alertWindow
		return stage, nil
	case demand.StageName:
		return projectors.Stage{
			Name: name, Topics: []string{change.SearchTopic(prefix)}, Window: demandWindow, Joint: true,
			Repair: "freshet project demand   # once more; what was lost before it was read is not counted",
			New:    func(context.Context, int) (projectors.Handler, error) { return demand.NewProjector(w.db, docs), nil },
		}, nil
	case notify.StageName:
		return w.notify(docs)
	case recommend.StageName:
		stage := w.tables(name, recommend.Tables, func(int) projectors.Handler { return recommend.NewProjector(w.db, docs) })
		// Nobody waits for it, and a batch costs a count for each product in it: larger batches count less often.
		stage.Window, stage.Rest, stage.MaxBatch = recommendWindow, 1, 20_000
		return stage, nil
	}
	return projectors.Stage{}, fmt.Errorf("no projector is called %q", name)
}

// What repairs a stage that has lost records: of what is made of the documents in MongoDB, and of these, which are folded from
// rows. A rebuild also finds the documents of rows whose deletes were lost.
const (
	rebuildAll  = "freshet rebuild --all"
	rebuildRows = "freshet rebuild --all --rows"
)

// foldWindow is how long the folds gather records while more keep coming; one that comes alone is folded at once. Every
// batch costs four round trips and a journal sync however small it is.
const foldWindow = 60 * time.Millisecond

// alertWindow is the same of stock: who is told that it runs low doesn't wait at a page, and stock moves with every order.
const alertWindow = time.Second

// bulkOffers and bulkProducts are how many records of an import or a snapshot are folded at a time while prices and stock
// wait beside. A product has a view in every store that sells it.
const (
	bulkOffers   = 500
	bulkProducts = 100
)

// demandWindow is how long searches are gathered: most of what is asked for is asked for by many.
const demandWindow = time.Second

// recommendWindow is how long orders are gathered before what they name is counted again.
const recommendWindow = 250 * time.Millisecond

// tables is a stage that folds table topics.
func (w *wiring) tables(name string, tables []string, handler func(partition int) projectors.Handler, outputs ...string) projectors.Stage {
	stage := projectors.Stage{
		Name: name, Upstream: []string{"ingest"}, Outputs: outputs, Window: foldWindow, Joint: true,
		Repair: rebuildRows,
		New:    func(_ context.Context, partition int) (projectors.Handler, error) { return handler(partition), nil },
	}
	for _, table := range tables {
		stage.Topics = append(stage.Topics, change.Topic(w.settings.prefix, "public", table))
	}
	return stage
}

// index is the search stage. Its indices are created when a partition is assigned, and tried for until they are there: a
// search server that is down must not keep the other stages of this process from starting.
func (w *wiring) index(docs document.Config) (projectors.Stage, error) {
	client, err := search.Open([]string{w.settings.elasticURL})
	if err != nil {
		return projectors.Stage{}, fmt.Errorf("open Elasticsearch: %w", err)
	}
	cfg := index.Config{Prefix: w.settings.prefix, Log: w.settings.logger()}
	stage, err := index.NewStage(cfg, index.NewStore(w.db, docs), search.NewWriter(client, search.WriterConfig{}), w.cache)
	if err != nil {
		return projectors.Stage{}, err
	}
	stage.Repair = rebuildAll
	indices := &search.Indices{Client: client, Prefix: w.settings.prefix}
	handler := stage.New
	stage.New = func(ctx context.Context, partition int) (projectors.Handler, error) {
		if err := indices.Ensure(ctx); err != nil {
			return nil, err
		}
		return handler(ctx, partition)
	}
	return stage, nil
}
