package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"freshet/projectors/dimension"
	"freshet/projectors/index"
	"freshet/search"
)

// reindexOptions are the settings of reindex alone.
type reindexOptions struct {
	rate, sample                          int
	hold, rollback, discard, status, json bool
}

func newReindexCommand(s *settings) *cobra.Command {
	var o reindexOptions
	cmd := &cobra.Command{
		Use:   "reindex",
		Short: "Build the search index anew beside the live one, and switch to it",
		Long: `Makes a new generation of the search index, has the projectors write to both, fills the new one from the
documents in MongoDB, compares the two (how many documents there are, and a sample one by one), and
switches readers over in one step. Searches go on meanwhile, and no change is lost. A run that was broken
off goes on where it was. The old generation is kept and written, so that --rollback goes back to it at
once; --discard ends that and deletes whichever generation is not live.

Where the live index was made by another definition (a new version of Freshet), pause the stage index
before the new version is installed, or let the new one wait, as it does. The sample is then compared with
the documents in MongoDB instead.`,
		Example: "  freshet reindex --rate 5000\n  freshet reindex --status\n  freshet reindex --rollback\n  freshet reindex --discard",
		GroupID: "data",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return s.reindex(cmd.Context(), o) },
	}
	flags := cmd.Flags()
	flags.IntVar(&o.rate, "rate", 0, "documents a second at most, 0 for as many as go; too many and searches feel it")
	flags.IntVar(&o.sample, "sample", 500, "documents to compare before the switch, up to 10000")
	flags.BoolVar(&o.hold, "hold", false, "fill and compare, and do not switch")
	flags.BoolVar(&o.rollback, "rollback", false, "switch to the generation beside the live one")
	flags.BoolVar(&o.discard, "discard", false, "delete the generation beside the live one")
	flags.BoolVar(&o.status, "status", false, "show which generation is live, and how far the other one is")
	flags.BoolVar(&o.json, "json", false, "with --status, print for machines")
	cmd.MarkFlagsMutuallyExclusive("rollback", "discard", "status", "hold")
	return cmd
}

func (s *settings) reindex(ctx context.Context, o reindexOptions) (err error) {
	if o.sample < 0 || o.sample > 10_000 || o.rate < 0 {
		return errors.New("--sample is from 0 to 10000, and --rate not negative")
	}
	client, err := s.openMongo("reindex")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, client.Disconnect(context.WithoutCancel(ctx))) }()
	elastic, err := search.Open([]string{s.elasticURL})
	if err != nil {
		return err
	}
	db := client.Database(s.mongoDatabase)
	rebuild := index.NewRebuild(db, &search.Indices{Client: elastic, Prefix: s.prefix}, search.NewWriter(elastic, search.WriterConfig{}),
		dimension.NewCache(db, dimension.CacheConfig{Logger: s.logger()}), s.logger())
	switch {
	case o.status:
		g, err := rebuild.State(ctx)
		if err != nil {
			return err
		}
		if o.json {
			return s.printJSON(g)
		}
		return s.printGeneration(g)
	case o.rollback:
		g, err := rebuild.Switch(ctx)
		if err != nil {
			return err
		}
		return s.printGeneration(g)
	case o.discard:
		g, err := rebuild.Discard(ctx)
		if err != nil {
			return err
		}
		return s.printGeneration(g)
	}
	return s.fillAndSwitch(ctx, rebuild, o)
}

func (s *settings) fillAndSwitch(ctx context.Context, rebuild *index.Rebuild, o reindexOptions) error {
	if _, err := rebuild.Begin(ctx); err != nil {
		return err
	}
	done := 0
	err := rebuild.Fill(ctx, o.rate, func(g index.Generation, stores int) error {
		done++
		return s.printf("  store %d filled, %d in this run of %d; %d documents\n", g.Cursor, done, stores, g.Documents)
	})
	if err != nil {
		return fmt.Errorf("%w; the same command goes on where it was", err)
	}
	c, err := rebuild.Gate(ctx, o.sample)
	if err != nil {
		return fmt.Errorf("%w; nothing was switched", err)
	}
	with := "of them compared"
	if c.Redefined {
		with = "compared with MongoDB, since another definition made the live ones"
	}
	if err := s.printf("  %d documents live, %d beside, %d %s\n", c.Live, c.Beside, c.Sampled, with); err != nil {
		return err
	}
	if o.hold {
		return s.printf("the generations are equal; freshet reindex switches\n")
	}
	g, err := rebuild.Switch(ctx)
	if err != nil {
		return err
	}
	return s.printGeneration(g)
}

func (s *settings) printGeneration(g index.Generation) error {
	if err := s.printf("generation %d is live\n", g.Live); err != nil || g.Beside == 0 {
		return err
	}
	how := fmt.Sprintf("filled up to store %d, %d documents", g.Cursor, g.Documents)
	if g.Filled {
		how = "whole; --rollback switches to it, --discard deletes it"
	}
	return s.printf("generation %d is written beside it, %s\n", g.Beside, how)
}
