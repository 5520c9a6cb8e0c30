package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"freshet/ingest/change"
	"freshet/projectors"
	"freshet/projectors/dimension"
	"freshet/projectors/tree"
)

// rebuildOptions are the settings of rebuild alone.
type rebuildOptions struct {
	wait                    time.Duration
	reason                  string
	all, rows, status, stop bool
	rate                    int
	budget                  float64
	json                    bool
}

func newRebuildCommand(s *settings) *cobra.Command {
	var o rebuildOptions
	cmd := &cobra.Command{
		Use:   "rebuild STORE",
		Short: "Make a store's pages and search documents again, or all stores', while live",
		Long: `Asks the projectors to read the offers of a store, given by id or code, again and to write all its home and category pages
and search documents anew. Readers see the old pages until the new ones replace them, one by one.
The request is durable when the command ends; with --wait it ends when the pages are written.

With --all it takes one store after the other, by id: it has the pages and search documents made again,
compares all documents of the store with what SQL says, mends what differs, and only then takes the next.
Before that it does so with what is of no store: dimensions, products that none offers, recommendations.
With --rows every row is first published again by ingest, and a delete for each that the topics know and
the tables have no more, so that the product, offer and order documents are folded anew. A run that was broken off goes on where it was,
with the same command or in the admin process; servers that are away are asked again for two minutes.
--status shows how far it is, --stop ends it before the
next store. It fails if a document is wrong and can't be mended.`,
		Example: "  freshet rebuild emporio-aurora-milano --wait\n  freshet rebuild --all --rows --rate 5000 --budget 0.5\n  freshet rebuild --status",
		GroupID: "data",
		Args:    cobra.MaximumNArgs(1),
		RunE:    func(cmd *cobra.Command, args []string) error { return s.rebuild(cmd.Context(), args, o) },
	}
	cmd.Flags().DurationVar(&o.wait, "wait", 0, "wait until the pages are written, and say how it goes; --wait alone is --wait=10m")
	cmd.Flags().Lookup("wait").NoOptDefVal = "10m"
	cmd.Flags().BoolVar(&o.all, "all", false, "all stores, closed ones too")
	cmd.Flags().BoolVar(&o.rows, "rows", false, "with --all, publish every row again first")
	cmd.Flags().IntVar(&o.rate, "rate", 0, "with --rows, rows a second at most, 0 for as many as go; too many and the shop's database feels it")
	cmd.Flags().Float64Var(&o.budget, "budget", 1, "with --all, the share of the time to spend on stores, up to 1; it rests for the other part")
	cmd.Flags().BoolVar(&o.status, "status", false, "show how the newest rebuild of all stores goes, or went")
	cmd.Flags().BoolVar(&o.stop, "stop", false, "end the rebuild of all stores before its next store")
	cmd.Flags().BoolVar(&o.json, "json", false, "with --status, print for machines")
	cmd.MarkFlagsMutuallyExclusive("all", "status", "stop")
	cmd.Flags().StringVar(&o.reason, "reason", "asked for on the command line", "why, for the projectors' log")
	return cmd
}

func (s *settings) rebuild(ctx context.Context, names []string, o rebuildOptions) (err error) {
	if (o.all || o.status || o.stop) == (len(names) == 1) {
		return errors.New("rebuild which store? name one, or give --all")
	}
	if len(names) == 0 {
		return s.rebuildEverything(ctx, o)
	}
	client, err := mongo.Connect(options.Client().ApplyURI(s.mongoURL).SetAppName("freshet rebuild"))
	if err != nil {
		return fmt.Errorf("open MongoDB: %w", err)
	}
	defer func() { err = errors.Join(err, client.Disconnect(context.WithoutCancel(ctx))) }()
	db := client.Database(s.mongoDatabase)
	dims := dimension.NewCache(db, dimension.CacheConfig{Logger: s.logger()})
	if err := dims.Refresh(ctx); err != nil {
		return err
	}
	pages := tree.NewStore(db, false)
	store, ok := dims.Get().StoreNamed(names[0])
	if !ok {
		return fmt.Errorf("there is no store %q; the read API lists them at /api/v1/stores", names[0])
	}
	return s.rebuildStore(ctx, dims.Get(), store, pages, o)
}

func (s *settings) rebuildStore(ctx context.Context, dims *dimension.Set, store dimension.Store, pages *tree.Store, o rebuildOptions) error {
	command := projectors.Command{
		Kind: projectors.Rebuild, Store: store.ID, ID: randomID(), Dimensions: dims.Version(), Reason: o.reason,
	}
	partition, offset, err := s.publishCommand(ctx, command)
	if err != nil {
		return err
	}
	if err := s.printf("rebuild of store %s is on its way as %s\n", store.Code, command.ID); err != nil || o.wait <= 0 {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, o.wait)
	defer cancel()
	if err := s.followRebuild(ctx, pages, store.ID, partition, offset); err != nil {
		return fmt.Errorf("wait for the rebuild of store %s, which goes on: %w", store.Code, err)
	}
	return nil
}

// publishCommand returns where the command stands on its topic.
func (s *settings) publishCommand(ctx context.Context, command projectors.Command) (partition int, offset int64, err error) {
	producer, err := projectors.NewProducer(projectors.ProducerConfig{Brokers: s.kafka, Security: s.security}, s.logger(), nil)
	if err != nil {
		return 0, 0, err
	}
	defer producer.Close()
	key, value, err := command.Encode()
	if err != nil {
		return 0, 0, err
	}
	topic := change.CommandTopic(s.prefix)
	ends, err := producer.Publish(ctx, []projectors.Message{{Topic: topic, Key: key, Value: value}})
	if err != nil {
		return 0, 0, fmt.Errorf("publish the command: %w", err)
	}
	for partition, end := range ends[topic] {
		if end > 0 {
			return partition, end - 1, nil
		}
	}
	return 0, 0, fmt.Errorf("publish the command: the broker named no offset in %v", ends)
}

// followRebuild prints how the rebuild goes until it has done what the command at the offset asks.
func (s *settings) followRebuild(ctx context.Context, pages *tree.Store, store int64, partition int, offset int64) error {
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	said := 0
	for {
		r, err := pages.Rebuilt(ctx, store)
		if err != nil {
			return err
		}
		if r.Answers(partition, offset) {
			return s.printf("%d pages of %d offers written in %s\n", r.Documents, r.Offers, r.Finished.Sub(r.Started))
		}
		if r.Partition == partition && r.Offset >= offset && r.Offers > said {
			said = r.Offers
			if err := s.printf("  %d offers read\n", said); err != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
	}
}
