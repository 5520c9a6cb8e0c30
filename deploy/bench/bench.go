// Package bench measures a running Freshet the way its users feel it: how long until a committed row is on the product
// page, the category page and in the search result, how fast ingest drains a slot, how fast pages, searches and rebuilds
// are.
//
// `freshet bench …` calls it. It drives the public surfaces alone (SQL, HTTP, the slot, the topics), so that a figure never
// depends on what a stage says of itself. Latencies of loads are counted from the moment a request was due, not from when
// a busy client came round to send it (no coordinated omission).
package bench

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// Report is one run of one benchmark.
type Report struct {
	Name    string            `json:"name"`
	At      time.Time         `json:"at"`
	Machine Machine           `json:"machine"`
	Setting map[string]string `json:"setting"`
	Rows    []Row             `json:"rows"`
}

// Row is one line of figures.
type Row struct {
	What    string             `json:"what"`
	Figures map[string]float64 `json:"figures"`
	order   []string
}

// Machine says where a figure was measured.
type Machine struct {
	Cores  int    `json:"cores"`
	CPU    string `json:"cpu"`
	Memory string `json:"memory"`
	OS     string `json:"os"`
	Go     string `json:"go"`
	Commit string `json:"commit"`
}

// Set notes a figure; the order of calls is the order of columns.
func (r *Row) Set(name string, value float64) {
	if r.Figures == nil {
		r.Figures = map[string]float64{}
	}
	if _, ok := r.Figures[name]; !ok {
		r.order = append(r.order, name)
	}
	r.Figures[name] = value
}

// NewReport names the benchmark and looks up where it runs.
func NewReport(name string, setting map[string]string) *Report {
	return &Report{Name: name, At: time.Now().UTC().Truncate(time.Second), Machine: machine(), Setting: setting}
}

// JSON writes the report for machines.
func (r *Report) JSON(w io.Writer) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	if err := enc.Encode(r); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	return nil
}

// Table writes the report for people.
func (r *Report) Table(w io.Writer) error {
	keys := make([]string, 0, len(r.Setting))
	for k, v := range r.Setting {
		keys = append(keys, k+"="+v)
	}
	slices.Sort(keys)
	m := r.Machine
	fmt.Fprintf(w, "%s  %s\n%d cores, %s, %s, %s, %s, commit %s\n%s\n", r.Name, r.At.Format(time.RFC3339), m.Cores, m.CPU, m.Memory, m.OS, m.Go, m.Commit, strings.Join(keys, " "))
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	var header []string
	for _, row := range r.Rows {
		if !slices.Equal(row.order, header) {
			header = row.order
			fmt.Fprintf(t, "\t%s\t\n", strings.Join(header, "\t"))
		}
		fmt.Fprintf(t, "%s\t", row.What)
		for _, name := range row.order {
			fmt.Fprintf(t, "%s\t", figure(row.Figures[name]))
		}
		fmt.Fprintln(t)
	}
	if err := t.Flush(); err != nil {
		return fmt.Errorf("write the table: %w", err)
	}
	return nil
}

func figure(v float64) string {
	switch {
	case v == float64(int64(v)):
		return fmt.Sprintf("%d", int64(v))
	case v >= 100:
		return fmt.Sprintf("%.0f", v)
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.2f", v)
}

// latencies sums up durations as p50, p95, p99 and the worst, in milliseconds.
func (r *Row) latencies(d []time.Duration) {
	slices.Sort(d)
	at := func(q float64) float64 {
		if len(d) == 0 {
			return 0
		}
		return float64(d[min(len(d)-1, int(q*float64(len(d))))].Microseconds()) / 1000
	}
	r.Set("n", float64(len(d)))
	r.Set("p50 ms", at(0.50))
	r.Set("p95 ms", at(0.95))
	r.Set("p99 ms", at(0.99))
	r.Set("max ms", at(1))
}

func machine() Machine {
	m := Machine{Cores: runtime.NumCPU(), OS: runtime.GOOS + "/" + runtime.GOARCH, Go: runtime.Version(), Commit: "unknown"}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				m.Commit = s.Value[:min(12, len(s.Value))]
			}
		}
	}
	m.CPU = field("/proc/cpuinfo", "model name")
	m.Memory = field("/proc/meminfo", "MemTotal")
	return m
}

// field reads one "name : value" line of a proc file; "unknown" where there is none.
func field(path, name string) string {
	raw, err := os.ReadFile(path)
	if err != nil {
		return "unknown"
	}
	for line := range strings.Lines(string(raw)) {
		if k, v, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(k) == name {
			return strings.TrimSpace(v)
		}
	}
	return "unknown"
}
