package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"text/tabwriter"
	"time"
	"unicode/utf8"

	"github.com/segmentio/kafka-go"
	"github.com/spf13/cobra"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"golang.org/x/sync/errgroup"

	"freshet/ingest/broker"
	"freshet/projectors/dimension"
	"freshet/projectors/explain"
	"freshet/projectors/progress"
	"freshet/projectors/tail"
	"freshet/search"
)

// explainOptions are the settings of explain alone.
type explainOptions struct {
	store, product string
	json           bool
}

const (
	// progressPatience is how long a command waits to hear of all stages; each names itself about once a second.
	progressPatience = 3 * time.Second
	// catchUpPatience is how long it reads what the progress topic held before: some ten megabytes of a busy shop.
	catchUpPatience = 15 * time.Second
)

func newExplainCommand(s *settings) *cobra.Command {
	var o explainOptions
	cmd := &cobra.Command{
		Use:   "explain --store STORE --product PRODUCT",
		Short: "Say where a product is on its way to the shopper, and what keeps it from being seen",
		Long: `Follows one product of one store through every stage: its rows in Postgres, the newest records on the
topics, the documents in MongoDB, the joined view, the pages of its categories and the search documents.
Each hop tells its position and version, what filters the product there, and how to mend it.
It reads everything and changes nothing. It fails for a store that is not in Postgres, and for a product
of which there is no trace anywhere.`,
		Example: "  freshet explain --store emporio-aurora-milano --product 42\n  freshet explain --store 1 --product FAS-000042-1 --json",
		GroupID: "data",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return s.explain(cmd.Context(), o) },
	}
	flags := cmd.Flags()
	flags.StringVar(&o.store, "store", "", "the store, by id or code; required")
	flags.StringVar(&o.product, "product", "", "the product, by id or by a SKU of it; required")
	flags.BoolVar(&o.json, "json", false, "print the explanation for machines")
	return cmd
}

func (s *settings) explain(ctx context.Context, o explainOptions) (err error) {
	if o.store == "" || o.product == "" {
		return errors.New("explain what? give --store and --product")
	}
	if err := errors.Join(wantText("store", o.store), wantText("product", o.product)); err != nil {
		return err
	}
	client, err := s.openMongo("explain")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, client.Disconnect(context.WithoutCancel(ctx))) }()
	transport := s.security.Transport("freshet-explain", 0)
	defer transport.CloseIdleConnections()
	tracker, err := s.openTracker(leisure)
	if err != nil {
		return err
	}
	db := client.Database(s.mongoDatabase)
	explainer, err := s.explainer(db, transport, tracker, dimension.NewCache(db, dimension.CacheConfig{Logger: s.logger()}))
	if err != nil {
		return err
	}
	var found explain.Explanation
	err = s.tracking(ctx, tracker, func(ctx context.Context) error {
		found, err = explainer.Explain(ctx, o.store, o.product)
		return err
	})
	if err != nil {
		return err
	}
	if o.json {
		return s.printJSON(found)
	}
	return s.printExplanation(&found)
}

// wantText refuses a flag's value that Postgres can't hold, whose own error names neither the flag nor the remedy.
func wantText(flag, value string) error {
	if !utf8.ValidString(value) {
		return fmt.Errorf("--%s: %q isn't UTF-8 text", flag, value)
	}
	return nil
}

func (s *settings) explainer(db *mongo.Database, transport *kafka.Transport, tracker *progress.Tracker, dims *dimension.Cache) (*explain.Explainer, error) {
	elastic, err := search.Open([]string{s.elasticURL})
	if err != nil {
		return nil, err
	}
	brokers := broker.Cluster{Addresses: s.kafka, Security: s.security}.Client(transport, 15*time.Second)
	return explain.New(explain.Config{
		Postgres: s.postgresURL, Prefix: s.prefix, Records: tail.New(brokers), Groups: explain.ClientGroups{Client: brokers},
		Database: db, Search: elastic, Progress: tracker, Dimensions: dims,
	}), nil
}

// leisure is the time between two looks at the progress topic of those who keep no reader waiting.
const leisure = 200 * time.Millisecond

// openTracker returns a tracker that looks at the progress topic after such a pause, 0 for its default.
func (s *settings) openTracker(pause time.Duration) (*progress.Tracker, error) {
	return progress.New(progress.Config{Brokers: s.kafka, Security: s.security, Prefix: s.prefix, Pause: pause}, s.logger())
}

// tracking calls f once the tracker has read all that was told before and has heard of all stages, or has waited long enough
// for those that don't run.
func (s *settings) tracking(ctx context.Context, tracker *progress.Tracker, f func(context.Context) error) error {
	ctx, done := context.WithCancel(ctx)
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return tracker.Run(ctx) })
	group.Go(func() error {
		defer done()
		if err := s.catchUp(ctx, tracker); err != nil {
			s.logger().Warn("positions may be older than they are: the brokers are away or slow", "error", err)
		}
		patience, cancel := context.WithTimeout(ctx, progressPatience)
		defer cancel()
		// Position 0 is passed by whoever is known. Who isn't is told as such.
		_ = tracker.Wait(patience, 0, append([]string{"ingest"}, stageNames...)...)
		return f(ctx)
	})
	return group.Wait()
}

func (s *settings) catchUp(ctx context.Context, tracker *progress.Tracker) error {
	ctx, cancel := context.WithTimeout(ctx, catchUpPatience)
	defer cancel()
	return tracker.CatchUp(ctx)
}

func (s *settings) printJSON(v any) error {
	enc := json.NewEncoder(s.stdout)
	enc.SetIndent("", "  ")
	if err := enc.Encode(v); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	return nil
}

func (s *settings) printExplanation(e *explain.Explanation) error {
	if err := s.printf("product %d in store %d (%s), Postgres at %s\n%s\n\n", e.Product, e.Store, e.Code, e.Position, e.Verdict); err != nil {
		return err
	}
	table := tabwriter.NewWriter(s.stdout, 0, 0, 2, ' ', 0)
	for _, st := range e.Stages {
		how := "not heard of"
		if st.Known {
			how = fmt.Sprintf("at %s, %d bytes behind", st.Position, *st.Behind)
		}
		if st.Paused {
			how += fmt.Sprintf(", paused (%s)", st.Reason)
		}
		if _, err := fmt.Fprintf(table, "stage\t%s\t%s\n", st.Stage, how); err != nil {
			return err
		}
	}
	for i := range e.Hops {
		if err := printHop(table, &e.Hops[i]); err != nil {
			return err
		}
	}
	return table.Flush()
}

func printHop(table *tabwriter.Writer, h *explain.Hop) error {
	holds := h.Holds
	if !h.Found && holds == "" {
		holds = "not there"
	}
	if h.Version > 0 {
		holds += fmt.Sprintf(" (version %d)", h.Version)
	}
	if h.Position != nil {
		holds += " at " + h.Position.String()
	}
	if _, err := fmt.Fprintf(table, "%s\t%s\t%s\n", h.Hop, h.Where, holds); err != nil {
		return err
	}
	for _, f := range h.Findings {
		mend := ""
		if f.Mend != "" {
			mend = "; to mend it: " + f.Mend
		}
		if _, err := fmt.Fprintf(table, "\t%s\t%s: %s%s\n", f.Kind, f.Code, clip(f.Detail, 300), mend); err != nil {
			return err
		}
	}
	return nil
}
