package relevance

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
)

// Judgment is a query with the products that it should find.
type Judgment struct {
	Kind   string // what the query is an example of
	Query  string
	Grades map[int64]int // by product: 2 for what was meant, 1 for what is fine too
}

// errFormat is wrapped by the errors about files of judgments and of the catalog.
var errFormat = errors.New("malformed line")

// Judgments reads lines of the form "kind | query | product product~", where ~ marks what is fine but not meant. id turns
// a product as the file writes it into its id.
func Judgments(r io.Reader, id func(string) (int64, bool)) ([]Judgment, error) {
	var all []Judgment
	err := eachLine(r, func(line string) error {
		columns := fields(line)
		if len(columns) != 3 || columns[0] == "" || columns[1] == "" {
			return fmt.Errorf("%w: want kind | query | products", errFormat)
		}
		j := Judgment{Kind: columns[0], Query: columns[1], Grades: make(map[int64]int)}
		for _, name := range strings.Fields(columns[2]) {
			name, fine := strings.CutSuffix(name, "~")
			product, ok := id(name)
			if !ok {
				return fmt.Errorf("%w: there is no product %q", errFormat, name)
			}
			if j.Grades[product] = 2; fine {
				j.Grades[product] = 1
			}
		}
		if len(j.Grades) == 0 {
			return fmt.Errorf("%w: no products", errFormat)
		}
		all = append(all, j)
		return nil
	})
	return all, err
}

// eachLine calls fn with the lines that are neither empty nor comments, and says which one it refused.
func eachLine(r io.Reader, fn func(line string) error) error {
	lines := bufio.NewScanner(r)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if err := fn(line); err != nil {
			return fmt.Errorf("line %d: %w", n, err)
		}
	}
	return lines.Err()
}

func fields(line string) []string {
	columns := strings.Split(line, "|")
	for i := range columns {
		columns[i] = strings.TrimSpace(columns[i])
	}
	return columns
}

// ndcg is the discounted gain of the found products over that of the best order there is.
func ndcg(found []int64, grades map[int64]int) float64 {
	gain := 0.0
	for i, p := range found[:min(depth, len(found))] {
		gain += discounted(grades[p], i)
	}
	best := 0.0
	ideal := make([]int, 0, len(grades))
	for _, g := range grades {
		ideal = append(ideal, g)
	}
	slices.Sort(ideal)
	slices.Reverse(ideal)
	for i, g := range ideal[:min(depth, len(ideal))] {
		best += discounted(g, i)
	}
	return gain / best
}

func discounted(grade, place int) float64 {
	return (math.Exp2(float64(grade)) - 1) / math.Log2(float64(place)+2)
}
