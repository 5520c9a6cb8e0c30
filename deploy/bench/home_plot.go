package bench

import (
	"fmt"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
)

// PlotHome draws a report of Home as an SVG: the median, the tail and the throughput by the number of stores, a line for each
// way. All scales are logarithmic.
func PlotHome(path string, r *Report) error {
	var plots []*plot.Plot
	for i, figure := range []string{"p50 ms", "p99 ms", "homes/s"} {
		p := logarithmic(newPicture(figure, "stores", figure))
		for n, way := range []string{wayTables, wayPage} {
			if err := addLine(p, n, way, homeLine(r, way, figure), i == 0); err != nil {
				return fmt.Errorf("draw %s: %w", figure, err)
			}
		}
		plots = append(plots, p)
	}
	return drawPlots(path, plots)
}

func homeLine(r *Report, way, figure string) plotter.XYs {
	var line plotter.XYs
	for _, row := range r.Rows {
		var stores int
		if _, err := fmt.Sscanf(row.What, "%d stores:", &stores); err == nil && strings.HasSuffix(row.What, ": "+way) {
			line = append(line, plotter.XY{X: float64(stores), Y: row.Figures[figure]})
		}
	}
	return line
}
