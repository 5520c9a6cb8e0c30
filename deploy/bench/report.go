package bench

import (
	"encoding/json"
	"fmt"
	"io"
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
	Servers map[string]string `json:"servers,omitempty"` // version by name, of those that can be asked
	Setting map[string]string `json:"setting"`
	Rows    []Row             `json:"rows"`
	// Problems are what makes the figures worth less or nothing: answers that were errors, changes that never showed. A run
	// with problems still reports its figures.
	Problems []string `json:"problems,omitempty"`
}

// Row is one line of figures.
type Row struct {
	What    string             `json:"what"`
	Figures map[string]float64 `json:"figures"`
	order   []string
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

// latencies sums up durations as p50, p95, p99 and the worst, in milliseconds. It sorts them.
func (r *Row) latencies(d []time.Duration) {
	slices.Sort(d)
	r.Set("n", float64(len(d)))
	r.Set("p50 ms", milliseconds(quantile(d, 0.50)))
	r.Set("p95 ms", milliseconds(quantile(d, 0.95)))
	r.Set("p99 ms", milliseconds(quantile(d, 0.99)))
	r.Set("max ms", milliseconds(quantile(d, 1)))
}

// quantile is the least of the sorted durations that a share of q of them do not exceed; 0 of none.
func quantile(sorted []time.Duration, q float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	// The epsilon keeps 0.99 of 100, in binary a bit more than 99, from being the 100th.
	rank := int(q*float64(len(sorted)) + 1 - 1e-9)
	return sorted[min(max(rank, 1), len(sorted))-1]
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

func (r *Report) problem(format string, args ...any) {
	r.Problems = append(r.Problems, fmt.Sprintf(format, args...))
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
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	// What the tabwriter meets of errors it keeps for its Flush, and lines without tabs pass it as they are.
	for _, line := range r.heading() {
		fmt.Fprintln(t, line)
	}
	var header []string
	for _, row := range r.Rows {
		if !slices.Equal(row.order, header) {
			header = row.order
			fmt.Fprintf(t, "\t%s\t\n", strings.Join(header, "\t"))
		}
		fmt.Fprintf(t, "%s\t%s\t\n", row.What, strings.Join(row.figures(), "\t"))
	}
	for _, p := range r.Problems {
		fmt.Fprintf(t, "PROBLEM: %s\n", p)
	}
	if err := t.Flush(); err != nil {
		return fmt.Errorf("write the table: %w", err)
	}
	return nil
}

// heading says what was measured, where, and on what.
func (r *Report) heading() []string {
	m := r.Machine
	lines := []string{
		fmt.Sprintf("%s  %s  freshet %s", r.Name, r.At.Format(time.RFC3339), m.Version),
		fmt.Sprintf("%d cores, %s, %s, %s, %s, load before %s, a load from memory %.0f ns", m.Cores, m.CPU, m.Memory, m.OS, m.Go, m.Load, m.MissNS),
	}
	if len(r.Servers) > 0 {
		lines = append(lines, pairs(r.Servers, " "))
	}
	return append(lines, pairs(r.Setting, "="))
}

// pairs lists a map's entries by name.
func pairs(m map[string]string, between string) string {
	list := make([]string, 0, len(m))
	for k, v := range m {
		list = append(list, k+between+v)
	}
	slices.Sort(list)
	return strings.Join(list, ", ")
}

// figures are the row's in the order of its columns.
func (r *Row) figures() []string {
	list := make([]string, 0, len(r.order))
	for _, name := range r.order {
		list = append(list, figure(r.Figures[name]))
	}
	return list
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
