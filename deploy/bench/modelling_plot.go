package bench

import (
	"fmt"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"

	"freshet/deploy/bench/modelling"
)

// pictured are the operations that the plot shows; those of the other filters would look like the one here.
var pictured = []string{"display a product", "filter by 2 attributes", "filter by a range", "count the facets", modelling.Update}

// PlotModelling draws a report of Modelling as an SVG: the median of operations by the number of products, a line for each
// model. All scales are logarithmic.
func PlotModelling(path string, r *Report) error {
	var plots []*plot.Plot
	for i, operation := range pictured {
		figure := operation + ", p50 ms"
		p := logarithmic(newPicture(operation, "products", "p50 ms"))
		for n, model := range modelNames {
			if err := addLine(p, n, model, modellingLine(r, model, figure), i == 0); err != nil {
				return fmt.Errorf("draw %s: %w", figure, err)
			}
		}
		plots = append(plots, p)
	}
	return drawPlots(path, plots)
}

func modellingLine(r *Report, model, figure string) plotter.XYs {
	var line plotter.XYs
	for _, row := range r.Rows {
		var products int
		if _, err := fmt.Sscanf(row.What, "%d products:", &products); err == nil && row.What == modellingRow(figure, products) {
			line = append(line, plotter.XY{X: float64(products), Y: row.Figures[model]})
		}
	}
	return line
}
