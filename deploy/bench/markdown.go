package bench

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
)

// The marks between which Write puts the tables: what a person has written around them stays.
const (
	markBegin = "<!-- begin: written by freshet bench all -->"
	markEnd   = "<!-- end -->"
)

// Write puts the reports into a Markdown file, in the place of those that were there.
func Write(path, command string, reports []*Report) error {
	raw, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("read the file for the tables: %w", err)
	}
	if err := os.WriteFile(path, []byte(insert(string(raw), markdown(command, reports))), 0o644); err != nil {
		return fmt.Errorf("write the tables: %w", err)
	}
	return nil
}

// insert replaces what is between the marks; without marks it is added at the end, with them.
func insert(text, tables string) string {
	before, rest, found := strings.Cut(text, markBegin)
	_, after, ended := strings.Cut(rest, markEnd)
	if !found || !ended {
		before, after = strings.TrimSuffix(text, "\n")+"\n\n", "\n"
		if text == "" {
			before = "# Benchmarks\n\n"
		}
	}
	return before + markBegin + "\n" + tables + markEnd + after
}

func markdown(command string, reports []*Report) string {
	var b strings.Builder
	if len(reports) > 0 {
		r := reports[0]
		m := r.Machine
		fmt.Fprintf(&b, "\nLast run: %s, freshet %s, by `%s`, on %d cores (%s), %s of memory, %s, %s; everything on this one machine.\n",
			r.At.Format("2006-01-02 15:04 MST"), m.Version, command, m.Cores, m.CPU, m.Memory, m.OS, m.Go)
		for _, other := range reports[1:] {
			if len(other.Servers) > len(r.Servers) {
				r = other
			}
		}
		if len(r.Servers) > 0 {
			fmt.Fprintf(&b, "Servers: %s.\n", pairs(r.Servers, " "))
		}
	}
	for _, r := range reports {
		fmt.Fprintf(&b, "\n## %s\n\n%s. Load of the machine before: %s; a load from its memory: %.0f ns.\n", r.Name, pairs(r.Setting, ": "), r.Machine.Load, r.Machine.MissNS)
		r.markdownRows(&b)
		for _, p := range r.Problems {
			fmt.Fprintf(&b, "\n**Problem:** %s\n", p)
		}
	}
	b.WriteString("\n")
	return b.String()
}

func (r *Report) markdownRows(b *strings.Builder) {
	var header []string
	for _, row := range r.Rows {
		if !slices.Equal(row.order, header) {
			header = row.order
			fmt.Fprintf(b, "\n| | %s |\n|---|%s\n", strings.Join(header, " | "), strings.Repeat("---:|", len(header)))
		}
		fmt.Fprintf(b, "| %s | %s |\n", row.What, strings.Join(row.figures(), " | "))
	}
}
