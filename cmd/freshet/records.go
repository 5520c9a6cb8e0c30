package main

import (
	"errors"
	"fmt"

	"github.com/spf13/pflag"

	"freshet/ingest"
	"freshet/ingest/change"
)

// recordSettings are the flags that say how ingest writes records.
type recordSettings struct {
	format                                      change.Format
	registry                                    string
	noContextHeaders, noTombstones, noTruncates bool
}

func (r *recordSettings) bind(flags *pflag.FlagSet) {
	f := &r.format
	flags.StringVar(&f.Preset, "preset", change.PresetDebezium, "debezium, or honest: nulls stay null, decimals are texts, old rows hold no fillers")
	flags.StringVar(&f.Encoding, "encoding", change.EncodingJSON, "json, json-schema or avro")
	flags.StringVar(&r.registry, "registry-url", "", "the schema registry, for avro: http://user:password@host:port")
	flags.StringVar(&f.Decimal, "decimal-mode", "", "of numeric and money: precise, string or double (default precise; honest: string)")
	flags.StringVar(&f.Time, "time-mode", "adaptive", "adaptive, adaptive_time_microseconds, connect, isostring, microseconds or nanoseconds")
	flags.StringVar(&f.Binary, "binary-mode", "bytes", "of bytea: bytes, base64, base64-url-safe or hex")
	flags.StringVar(&f.Interval, "interval-mode", "numeric", "numeric or string")
	flags.StringVar(&f.Hstore, "hstore-mode", "json", "json or map")
	flags.BoolVar(&f.IncludeUnknown, "unknown-types", false, "publish columns whose type has no mapping, as the bytes of their text")
	flags.BoolVar(&f.KeepNulls, "keep-nulls", false, "write null, not the column's default, for a null")
	flags.BoolVar(&f.NoFillers, "no-fillers", false, "write null for what an old row does not hold")
	flags.BoolVar(&r.noContextHeaders, "no-context-headers", false, "leave out the headers __debezium.context.*")
	flags.BoolVar(&r.noTombstones, "no-tombstones", false, "leave out the null record behind a delete")
	flags.BoolVar(&r.noTruncates, "skip-truncates", false, "leave TRUNCATE out")
}

func (r *recordSettings) apply(c *ingest.Config) {
	c.Format, c.Registry = r.format, r.registry
	c.NoContextHeaders, c.NoTombstones, c.SkipTruncates = r.noContextHeaders, r.noTombstones, r.noTruncates
}

// checkRecords refuses to run projectors where the environment, which is ingest's too, asks for records that they don't read.
func (s *settings) checkRecords() error {
	var r recordSettings
	var problems []error
	flags := pflag.NewFlagSet("records", pflag.ContinueOnError)
	r.bind(flags)
	flags.VisitAll(func(flag *pflag.Flag) {
		if value := s.env[variable(flag.Name)]; value != "" {
			problems = append(problems, flags.Set(flag.Name, value))
		}
	})
	r.format.SetDefaults()
	if format := r.format.String(); format != "" {
		problems = append(problems, fmt.Errorf("the projectors read records of the default format, not of %q: give that to an ingest with a prefix and slot of its own", format))
	}
	return errors.Join(problems...)
}
