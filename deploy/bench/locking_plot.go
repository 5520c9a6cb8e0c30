package bench

import (
	"fmt"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
)

// PlotLocking draws the purchases per second of a report of Locking as an SVG: a picture for each number of SKUs, a line for
// each strategy.
func PlotLocking(path string, r *Report) error {
	lines := map[int]map[string]plotter.XYs{}
	var skus []int
	for _, row := range r.Rows {
		var n, buyers int
		if _, err := fmt.Sscanf(strings.TrimPrefix(row.What, figureRate+": "), "%d SKUs, %d buyers", &n, &buyers); err != nil {
			continue // another figure
		}
		if lines[n] == nil {
			lines[n], skus = map[string]plotter.XYs{}, append(skus, n)
		}
		for name, rate := range row.Figures {
			lines[n][name] = append(lines[n][name], plotter.XY{X: float64(buyers), Y: rate})
		}
	}
	var plots []*plot.Plot
	for i, n := range skus {
		p, err := lockingPlot(n, lines[n], i == 0)
		if err != nil {
			return fmt.Errorf("draw %d SKUs: %w", n, err)
		}
		plots = append(plots, p)
	}
	return drawPlots(path, plots)
}

func lockingPlot(skus int, lines map[string]plotter.XYs, legend bool) (*plot.Plot, error) {
	p := newPicture(fmt.Sprintf("%d SKUs", skus), "buyers", figureRate)
	p.Y.Min = 0
	for i, s := range strategies {
		if err := addLine(p, i, s.name, lines[s.name], legend); err != nil {
			return nil, err
		}
	}
	return p, nil
}
