package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"freshet/deploy/bench"
	"freshet/deploy/stack"
)

// benchOptions are the settings of bench alone. Rate and duration are 0 unless given: each benchmark has its own defaults.
type benchOptions struct {
	json     bool
	duration time.Duration
	token    string
	write    string

	rates                []float64
	probes, stockShare   float64
	writes               float64
	connections, workers int
	timeout              time.Duration
	times, rows          int
	moved, batch         int
	topicPartitions      []int

	checkout   bench.CheckoutConfig
	signingKey string
}

// benchmark is one subcommand.
type benchmark struct {
	name, short string
	rates       []float64
	duration    time.Duration
	run         func(ctx context.Context, t bench.Target, o benchOptions) (*bench.Report, error)
}

// benchmarks are in the order in which all runs them.
var benchmarks = []benchmark{
	{name: "freshness", short: "From the commit of a price to the product page, the category page and the search result", rates: []float64{100, 500, 1000}, duration: 30 * time.Second, run: benchFreshness},
	{name: "lanes", short: "The same beside 5,000 products that move, and beside an import of 100,000 prices", duration: 40 * time.Second, run: benchLanes},
	{name: "browse", short: "Home, category and product pages under a load", rates: []float64{1000}, duration: 30 * time.Second, run: benchBrowse},
	{name: "search", short: "Searches with facets under a load", rates: []float64{50}, duration: 30 * time.Second, run: benchSearch},
	{name: "rebuild", short: "Make all pages of the largest store again, while live", rates: []float64{100}, run: benchRebuild},
	{name: "checkout", short: "Buy more than there is, many at once, and as much as there is at steady rates", rates: []float64{11.57, 116}, duration: 30 * time.Second, run: benchCheckout},
	{name: "amplification", short: "What a change of each kind makes the system write", run: benchAmplification},
	{name: "ingest", short: "Drain a slot into Kafka, beside readers that only read it", run: benchIngest},
	{name: "latency", short: "From a row's commit to the hands of a consumer of its topic", rates: []float64{1000, 3000}, duration: 30 * time.Second, run: benchLatency},
}

func newBenchCommand(s *settings) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "bench",
		Short: "Measure freshness, ingest, pages, search and rebuilds of what runs here",
		Long: `Measures a running Freshet as its users feel it: by SQL, HTTP, the replication slot and
Kafka, never by what a process says of itself. Latencies are counted from the moment a
request was due, so a server that stalls can't hide it.

Figures mean something on a machine that does nothing else; the report says how loaded
it was before. What a benchmark writes to the shop it puts back; what checkout sells, from a
store of its own, stays in the ledger, and the store is closed.`,
		Example: `  freshet bench freshness --rate 100,1000 --duration 30s
  freshet bench browse --rate 1000 --json
  freshet bench all --write docs/benchmarks.md`,
		GroupID: "data",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	for _, b := range benchmarks {
		cmd.AddCommand(newBenchmarkCommand(s, b))
	}
	cmd.AddCommand(newBenchAllCommand(s), newBenchLockingCommand(s), newBenchHomeCommand(s), newBenchModellingCommand(s), newBenchSearchersCommand(s))
	return cmd
}

func newBenchmarkCommand(s *settings, b benchmark) *cobra.Command {
	var o benchOptions
	cmd := &cobra.Command{
		Use: b.name, Short: b.short, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			report, err := b.run(cmd.Context(), s.benchTarget(o), o)
			if err != nil {
				return err
			}
			return s.printReports(o, report)
		},
	}
	flags := cmd.Flags()
	flags.BoolVar(&o.json, "json", false, "print JSON instead of a table")
	if len(b.rates) > 0 {
		flags.Float64SliceVar(&o.rates, "rate", b.rates, "requests or transactions per second; of freshness, latency and checkout several, comma-separated")
	}
	if b.duration > 0 {
		flags.DurationVar(&o.duration, "duration", b.duration, "how long each load lasts")
	}
	switch b.name {
	case "freshness":
		flags.Float64Var(&o.probes, "probes", 2, "changes per second that are watched")
		flags.Float64Var(&o.stockShare, "stock-share", 0.2, "share of the transactions that move stock; the others change a price")
		flags.IntVar(&o.connections, "connections", 16, "connections of the writers")
		flags.DurationVar(&o.timeout, "timeout", 30*time.Second, "after which a change counts as not shown")
	case "lanes":
		flags.Float64Var(&o.probes, "probes", 2, "changes per second that are watched")
		flags.IntVar(&o.rows, "rows", 100_000, "prices of the import")
		flags.IntVar(&o.moved, "moved", 5_000, "products that move to another category")
		flags.IntVar(&o.batch, "batch", 0, "rows of one transaction of the bulk (default all)")
		flags.DurationVar(&o.timeout, "timeout", time.Minute, "after which a change counts as not shown")
	case "browse", "search":
		flags.IntVar(&o.workers, "workers", 128, "requests under way at most")
	case "rebuild":
		flags.IntVar(&o.times, "times", 3, "how often, and as often again beside the writers")
		flags.Float64Var(&o.writes, "writes", 100, "transactions per second of the writers, 0 for none")
		s.bindAdminToken(cmd, &o)
	case "amplification":
		flags.IntVar(&o.times, "times", 10, "changes of each kind")
	case "checkout":
		s.bindCheckout(cmd, &o)
	case "ingest":
		flags.IntVar(&o.rows, "rows", 200_000, "changes of the largest cases")
		flags.IntSliceVar(&o.topicPartitions, "topic-partitions", []int{1, 12}, "partitions of the topics, each count measured by itself")
	}
	return cmd
}

func newBenchAllCommand(s *settings) *cobra.Command {
	var o benchOptions
	cmd := &cobra.Command{
		Use: "all", Short: "Run all of them, each as it is by default", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return s.benchAll(cmd.Context(), o) },
	}
	cmd.Flags().BoolVar(&o.json, "json", false, "print JSON instead of tables")
	cmd.Flags().DurationVar(&o.duration, "duration", 0, "how long each load lasts (default 30s)")
	cmd.Flags().StringVar(&o.write, "write", "", "Markdown file whose tables are replaced")
	s.bindSigningKey(cmd, &o)
	s.bindAdminToken(cmd, &o)
	return cmd
}

// bindAdminToken lets the token be given; not given, it is the one that up made for its processes.
func (s *settings) bindAdminToken(cmd *cobra.Command, o *benchOptions) {
	cmd.Flags().StringVar(&o.token, "admin-token", "", "bearer token of the admin API (default the one that up made); better given by the variable, which ps doesn't show")
	before := cmd.PreRunE
	cmd.PreRunE = func(cmd *cobra.Command, args []string) error {
		if before != nil {
			if err := before(cmd, args); err != nil {
				return err
			}
		}
		return s.fromUp(cmd.Context(), &o.token, "FRESHET_ADMIN_TOKEN")
	}
}

// fromUp fills a setting that wasn't given with what up made for its own processes.
func (s *settings) fromUp(ctx context.Context, value *string, variable string) error {
	if *value != "" {
		return nil
	}
	servers, err := stack.New(ctx, s.stack, s.stderr)
	if err != nil {
		return err
	}
	if err := s.loadTokens(servers.Data()); err != nil {
		return err
	}
	*value = s.tokens[variable]
	return nil
}

// benchAll goes on past a benchmark that fails: the others took their time too.
func (s *settings) benchAll(ctx context.Context, o benchOptions) error {
	var reports []*bench.Report
	var problems []error
	for _, b := range benchmarks {
		one := benchOptions{rates: b.rates, duration: b.duration, token: o.token, signingKey: o.signingKey, stockShare: 0.2, writes: 100}
		if o.duration > 0 && b.duration > 0 {
			one.duration = o.duration
		}
		report, err := b.run(ctx, s.benchTarget(o), one)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			problems = append(problems, fmt.Errorf("%s: %w", b.name, err))
			continue
		}
		reports = append(reports, report)
	}
	if o.write != "" {
		command := "freshet bench all --write " + o.write
		if o.duration > 0 {
			command += " --duration " + o.duration.String()
		}
		problems = append(problems, bench.Write(o.write, command, reports))
	}
	return errors.Join(append(problems, s.printReports(o, reports...))...)
}

// printReports prints them, and fails if one of them says that something went wrong.
func (s *settings) printReports(o benchOptions, reports ...*bench.Report) error {
	var problems []error
	for i, r := range reports {
		write := r.Table
		if o.json {
			write = r.JSON
		} else if i > 0 {
			problems = append(problems, s.printf("\n"))
		}
		problems = append(problems, write(s.stdout))
		if len(r.Problems) > 0 {
			problems = append(problems, fmt.Errorf("%s: %s", r.Name, strings.Join(r.Problems, "; ")))
		}
	}
	return errors.Join(problems...)
}

// benchTarget is what runs here.
func (s *settings) benchTarget(o benchOptions) bench.Target {
	return bench.Target{
		Read: "http://" + s.readListen, Write: "http://" + s.writeListen, Admin: "http://" + s.adminListen, Token: o.token,
		PostgresURL: s.postgresURL, Brokers: s.kafka, Security: s.security, MongoURL: s.mongoURL, MongoDatabase: s.mongoDatabase, ElasticURL: s.elasticURL, Prefix: s.prefix,
		Version: version,
		// A progress line that can't be written is no reason to stop.
		Note: func(format string, args ...any) { _, _ = fmt.Fprintf(s.stderr, format+"\n", args...) },
	}
}

func benchFreshness(ctx context.Context, t bench.Target, o benchOptions) (*bench.Report, error) {
	return bench.Freshness(ctx, t, bench.FreshnessConfig{
		Rates: o.rates, Duration: o.duration, Probes: o.probes, StockShare: o.stockShare, Connections: o.connections, Timeout: o.timeout,
	})
}

func benchLanes(ctx context.Context, t bench.Target, o benchOptions) (*bench.Report, error) {
	return bench.Lanes(ctx, t, bench.LanesConfig{Prices: o.rows, Products: o.moved, Batch: o.batch, Probes: o.probes, Most: o.duration, Timeout: o.timeout})
}

func benchBrowse(ctx context.Context, t bench.Target, o benchOptions) (*bench.Report, error) {
	cfg, err := o.load()
	if err != nil {
		return nil, err
	}
	report, err := bench.Browse(ctx, t, cfg)
	if err != nil {
		return nil, err
	}
	return report, bench.BrowseAlone(ctx, t, report)
}

func benchSearch(ctx context.Context, t bench.Target, o benchOptions) (*bench.Report, error) {
	cfg, err := o.load()
	if err != nil {
		return nil, err
	}
	return bench.Search(ctx, t, cfg)
}

func benchRebuild(ctx context.Context, t bench.Target, o benchOptions) (*bench.Report, error) {
	cfg, err := o.load()
	if err != nil {
		return nil, err
	}
	return bench.Rebuild(ctx, t, bench.RebuildConfig{Times: o.times, Rate: cfg.Rate, Writes: o.writes})
}

func benchAmplification(ctx context.Context, t bench.Target, o benchOptions) (*bench.Report, error) {
	return bench.Amplification(ctx, t, bench.AmplificationConfig{Times: o.times})
}

func benchIngest(ctx context.Context, t bench.Target, o benchOptions) (*bench.Report, error) {
	return bench.Ingest(ctx, t, bench.IngestConfig{Rows: o.rows, Partitions: o.topicPartitions})
}

func benchLatency(ctx context.Context, t bench.Target, o benchOptions) (*bench.Report, error) {
	return bench.Latency(ctx, t, bench.LatencyConfig{Rates: o.rates, Duration: o.duration})
}

// load is the load of a benchmark that has one rate.
func (o benchOptions) load() (bench.LoadConfig, error) {
	if len(o.rates) != 1 || o.rates[0] <= 0 {
		return bench.LoadConfig{}, errors.New("--rate: want one number above 0")
	}
	return bench.LoadConfig{Rate: o.rates[0], Duration: o.duration, Workers: o.workers}, nil
}
