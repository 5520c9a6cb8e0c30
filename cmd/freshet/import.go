package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/spf13/cobra"

	"freshet/api/write/feed"
)

// shownRejections bounds what is printed of bad rows; --errors holds them all.
const shownRejections = 20

// importOptions are the settings of import alone.
type importOptions struct {
	config feed.Config
	stock  string
	errors string
	json   bool
	strict bool
}

func newImportCommand(s *settings) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "import",
		Short:   "Bring a catalog into the shop",
		GroupID: "data",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newImportGoogleCommand(s))
	return cmd
}

func newImportGoogleCommand(s *settings) *cobra.Command {
	var o importOptions
	cmd := &cobra.Command{
		Use:   "google FILE",
		Short: "Import a Google Merchant product feed: RSS 2.0, Atom or tab-separated",
		Long: `Reads the feed (- is standard input) and brings the store's products, prices and
stock up to it. Rows that say what the shop holds already write nothing, so the same
feed may be imported again: also to finish an import that was killed.

A bad row is reported with its line, its id and the reason, and the rest goes in. Ends
with 0 if the feed was read to its end, also with bad rows (unless --strict), else 1.`,
		Example: `  freshet import google products.xml --store emporio-aurora-milano --lang it
  freshet import google products.tsv --store emporio-aurora-milano --lang it --dry-run --errors bad.jsonl`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return s.importGoogle(cmd.Context(), args[0], o) },
	}
	flags := cmd.Flags()
	flags.StringVar(&o.config.Store, "store", "", "code of the store that the feed is for (required)")
	flags.StringVar(&o.config.Lang, "lang", "", "language of the feed's texts: it, fr, de, es or en (required)")
	flags.StringVar(&o.config.Seller, "seller", "", "slug or name of the seller, made if there is none (default the store's code)")
	flags.Int64Var(&o.config.DefaultStock, "default-stock", 10, "units of a variant that is in stock without a figure, when it is new or sold out")
	flags.StringVar(&o.stock, "stock", "changed", "what a figure does: changed (counts when it is not the last one), always or never (new variants only)")
	flags.BoolVar(&o.config.TakeOver, "take-over", false, "lead products that another store's or language's feed brought")
	flags.BoolVar(&o.config.DryRun, "dry-run", false, "carry everything out and roll it back")
	flags.IntVar(&o.config.Batch, "batch", 500, "rows in one transaction")
	flags.StringVar(&o.errors, "errors", "", "file for all bad rows, as JSON lines")
	flags.BoolVar(&o.json, "json", false, "print the summary as JSON")
	flags.BoolVar(&o.strict, "strict", false, "end with 1 if a row was rejected")
	return cmd
}

func (s *settings) importGoogle(ctx context.Context, name string, o importOptions) (err error) {
	o.config.Stock = feed.StockPolicy(o.stock)
	in, size, err := openFeed(name)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }() // it was only read
	report, err := newReport(s.stderr, o.errors)
	if err != nil {
		return err
	}
	conn, err := pgx.Connect(ctx, s.postgresURL)
	if err != nil {
		return errors.Join(fmt.Errorf("connect to Postgres: %w", err), report.close())
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	o.config.Reject = report.add
	o.config.Progress = func(bytes int64) { report.bars.file(filepath.Base(name), bytes, size) }
	summary, err := feed.Run(ctx, conn, in, o.config)
	report.bars.finish()
	if err = errors.Join(err, report.close(), s.printImport(summary, o.json)); err != nil {
		return err
	}
	if o.strict && summary.Rejected > 0 {
		return fmt.Errorf("%d rows were rejected", summary.Rejected)
	}
	return nil
}

// openFeed opens the file and says how large it is; 0 is unknown.
func openFeed(name string) (io.ReadCloser, int64, error) {
	if name == "-" {
		return io.NopCloser(os.Stdin), 0, nil
	}
	file, err := os.Open(name)
	if err != nil {
		return nil, 0, fmt.Errorf("open the feed: %w", err)
	}
	info, err := file.Stat()
	if err != nil {
		return nil, 0, errors.Join(fmt.Errorf("open the feed: %w", err), file.Close())
	}
	return file, info.Size(), nil
}

func (s *settings) printImport(summary feed.Summary, asJSON bool) error {
	if asJSON {
		line, err := json.Marshal(summary)
		if err != nil {
			return fmt.Errorf("encode the summary: %w", err)
		}
		return s.printf("%s\n", line)
	}
	note := ""
	if summary.DryRun {
		note = "  (dry run: nothing was kept)"
	}
	return s.printf(`rows       %8d%s
inserted   %8d
updated    %8d
unchanged  %8d
rejected   %8d
new products %d, categories %d, brands %d; %s, %.0f rows/s
`, summary.Rows, note, summary.Inserted, summary.Updated, summary.Unchanged, summary.Rejected, summary.Products, summary.Categories, summary.Brands,
		summary.Elapsed.Round(time.Millisecond), float64(summary.Rows)/max(summary.Elapsed.Seconds(), 1e-9))
}

// report tells of bad rows while the bar runs.
type report struct {
	out   io.Writer
	bars  *bars
	file  *os.File // nil without --errors
	lines *json.Encoder
	count int
	err   error // the first that writing the file met
}

func newReport(out io.Writer, name string) (*report, error) {
	r := &report{out: out, bars: newBars(out)}
	if name == "" {
		return r, nil
	}
	file, err := os.Create(name)
	if err != nil {
		return nil, fmt.Errorf("open the file for bad rows: %w", err)
	}
	r.file, r.lines = file, json.NewEncoder(file)
	return r, nil
}

func (r *report) add(bad feed.Rejection) {
	if r.lines != nil && r.err == nil {
		r.err = r.lines.Encode(bad)
	}
	r.count++
	if r.count > shownRejections {
		return
	}
	r.bars.finish()
	_, _ = fmt.Fprintln(r.out, bad.Error()) // the summary counts it in any case
	if r.count == shownRejections {
		_, _ = fmt.Fprintln(r.out, "more bad rows are not shown; --errors FILE keeps them all")
	}
}

func (r *report) close() error {
	if r.file == nil {
		return nil
	}
	if err := errors.Join(r.err, r.file.Close()); err != nil {
		return fmt.Errorf("write the bad rows: %w", err)
	}
	return nil
}
