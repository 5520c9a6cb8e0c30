package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strconv"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"freshet/projectors/dimension"
	"freshet/search"
	"freshet/search/relevance"
)

// searchTest are the settings of search test alone.
type searchTest struct {
	store     string
	lang      string
	judgments string
	below     float64
	relevance string
}

func newSearchCommand(s *settings) *cobra.Command {
	cmd := &cobra.Command{Use: "search", Short: "Measure how good the search is", GroupID: "data"}
	var o searchTest
	test := &cobra.Command{
		Use:   "test",
		Short: "Ask judged queries and score the answers",
		Long: `Asks judged queries and prints nDCG@10 and how many find nothing, whole and by kind of query.

Without flags it puts a small catalog of its own into indices of their own on the server, asks the
built-in queries in five languages, and deletes the indices. With --judgments it asks the live index
of a store: a line is "kind | query | product product~", products by id, ~ for one that is fine but
not what was meant. It fails if the mean of a language is below --below.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return s.searchTest(cmd.Context(), o) },
	}
	test.Flags().StringVar(&o.judgments, "judgments", "", "file of judged queries for the live index; - for standard input")
	test.Flags().StringVar(&o.store, "store", "", "id or code of the store that --judgments is about")
	test.Flags().StringVar(&o.lang, "lang", "", "language that --judgments is in; the store's first by default")
	test.Flags().Float64Var(&o.below, "below", 0, "lowest nDCG@10 that is no failure, 0 to 1")
	bindRelevance(test.Flags(), &o.relevance)
	cmd.AddCommand(test)
	return cmd
}

func (s *settings) searchTest(ctx context.Context, o searchTest) error {
	client, err := search.Open([]string{s.elasticURL})
	if err != nil {
		return err
	}
	settings, err := readRelevance(o.relevance)
	if err != nil {
		return err
	}
	if o.judgments == "" {
		return s.testBuiltIn(ctx, client, o, settings)
	}
	return s.testLive(ctx, client, o, settings)
}

// bindRelevance is the flag of the file of relevance settings.
func bindRelevance(flags *pflag.FlagSet, path *string) {
	flags.StringVar(path, "relevance", "", "file that says what the words of a query are worth in each language, like search/relevance.yaml; what it leaves out stays")
}

// readRelevance reads the file; nil for none.
func readRelevance(path string) (settings *search.Settings, err error) {
	if path == "" {
		return nil, nil
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open the file of --relevance: %w", err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	if settings, err = search.ReadSettings(file); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return settings, nil
}

func (s *settings) testBuiltIn(ctx context.Context, client *search.Client, o searchTest, settings *search.Settings) (err error) {
	catalog, err := relevance.Open()
	if err != nil {
		return err
	}
	prefix := fmt.Sprintf("%s-relevance-%d", s.prefix, os.Getpid())
	defer func() {
		dropped := (&search.Indices{Client: client, Prefix: prefix}).Drop(context.WithoutCancel(ctx))
		err = errors.Join(err, dropped)
	}()
	if err := catalog.Index(ctx, client, prefix); err != nil {
		return err
	}
	searcher := search.NewSearcher(client, search.SearcherConfig{Prefix: prefix, Settings: settings})
	var failed []error
	for _, lang := range search.Languages() {
		r, err := relevance.Run(ctx, searcher, catalog.Dimensions, relevance.Store, lang, catalog.Judgments(lang))
		if err != nil {
			return err
		}
		failed = append(failed, s.printRelevance(&r, o, catalog.Name))
	}
	return errors.Join(failed...)
}

func (s *settings) testLive(ctx context.Context, client *search.Client, o searchTest, settings *search.Settings) error {
	judged, err := readJudgments(o.judgments)
	if err != nil {
		return err
	}
	m, err := s.openMongo("search test")
	if err != nil {
		return err
	}
	defer func() { _ = m.Disconnect(context.WithoutCancel(ctx)) }() // nothing is written here
	dims, store, err := s.storeNamed(ctx, m, o.store)
	if err != nil {
		return err
	}
	lang := o.lang
	if lang == "" {
		lang = store.Languages[0]
	}
	searcher := search.NewSearcher(client, search.SearcherConfig{Prefix: s.prefix, Settings: settings})
	r, err := relevance.Run(ctx, searcher, dims, store.ID, lang, judged)
	if err != nil {
		return err
	}
	return s.printRelevance(&r, o, func(product int64) string { return strconv.FormatInt(product, 10) })
}

// storeNamed loads the dimensions and finds the store in them.
func (s *settings) storeNamed(ctx context.Context, m *mongo.Client, name string) (*dimension.Set, dimension.Store, error) {
	cache := dimension.NewCache(m.Database(s.mongoDatabase), dimension.CacheConfig{Logger: s.logger()})
	if err := cache.Refresh(ctx); err != nil {
		return nil, dimension.Store{}, err
	}
	store, ok := cache.Get().StoreNamed(name)
	if !ok || len(store.Languages) == 0 {
		return nil, store, fmt.Errorf("there is no store %q: name the judged one with --store", name)
	}
	return cache.Get(), store, nil
}

func readJudgments(path string) (judged []relevance.Judgment, err error) {
	var r io.Reader = os.Stdin
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return nil, fmt.Errorf("open the judgments: %w", err)
		}
		defer func() { err = errors.Join(err, f.Close()) }()
		r = f
	}
	judged, err = relevance.Judgments(r, func(name string) (int64, bool) {
		id, err := strconv.ParseInt(name, 10, 64)
		return id, err == nil && id > 0
	})
	if err != nil {
		return nil, fmt.Errorf("read judgments %s: %w", path, err)
	}
	return judged, nil
}

// printRelevance prints a report; the error says that it is too bad.
func (s *settings) printRelevance(r *relevance.Report, o searchTest, name func(int64) string) error {
	text := fmt.Sprintf("%s  %s\n", r.Lang, r.Score)
	for _, kind := range slices.Sorted(maps.Keys(r.Kinds)) {
		text += fmt.Sprintf("    %-10s %s\n", kind, r.Kinds[kind])
	}
	if err := s.printf("%s%s", text, r.Worst(0.5, name)); err != nil {
		return err
	}
	if r.Score.NDCG < o.below {
		return fmt.Errorf("%s: nDCG@10 is %.4f, below %.4f", r.Lang, r.Score.NDCG, o.below)
	}
	return nil
}
