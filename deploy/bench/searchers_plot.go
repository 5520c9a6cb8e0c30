package bench

import (
	"fmt"
	"strconv"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"

	"freshet/search"
)

// PlotSearchers draws a report of Searchers as an SVG: the median of two kinds of page by the number of offers, that of a page
// in which facets are refined by how many, and the relevance by language.
func PlotSearchers(path string, r *Report) error {
	var plots []*plot.Plot
	for i, kind := range []string{"text", "category, 2 selections"} {
		p, err := enginesPlot(r, kind, i == 0)
		if err != nil {
			return fmt.Errorf("draw %s: %w", kind, err)
		}
		plots = append(plots, p)
	}
	for _, draw := range []func(*Report) (*plot.Plot, error){adapterPlot, gainPlot} {
		p, err := draw(r)
		if err != nil {
			return fmt.Errorf("draw: %w", err)
		}
		plots = append(plots, p)
	}
	return drawPlots(path, plots)
}

func enginesPlot(r *Report, kind string, legend bool) (*plot.Plot, error) {
	p := logarithmic(newPicture(fmt.Sprintf("%s, %d facets", kind, len(searcherFacets)), "offers", "p50 ms"))
	for n, engine := range engineNames {
		var line plotter.XYs
		for _, row := range r.Rows {
			if offers, rest := offersOf(row.What); rest == kind+": "+engine {
				line = append(line, plotter.XY{X: float64(offers), Y: row.Figures["p50 ms"]})
			}
		}
		if err := addLine(p, n, engine, line, legend); err != nil {
			return nil, err
		}
	}
	wholeDecades(&p.X)
	wholeDecades(&p.Y)
	return p, nil
}

// adapterPlot is of the last number of offers.
func adapterPlot(r *Report) (*plot.Plot, error) {
	p := newPicture("", "facets refined", "p50 ms")
	p.X.Scale, p.X.Tick.Marker, p.Y.Min = plot.LinearScale{}, refinedTicks(), 0
	for n, way := range waysToPage {
		at := map[int]float64{}
		for _, row := range r.Rows {
			var facets int
			offers, rest := offersOf(row.What)
			if _, err := fmt.Sscanf(rest, "%d refined:", &facets); err == nil && strings.HasSuffix(rest, ": "+way) {
				p.Title.Text = fmt.Sprintf("%d offers", offers)
				at[facets] = row.Figures["p50 ms"]
			}
		}
		var line plotter.XYs
		for _, facets := range refinements {
			line = append(line, plotter.XY{X: float64(facets), Y: at[facets]})
		}
		if err := addLine(p, n, way, line, true); err != nil {
			return nil, err
		}
	}
	p.Y.Max *= 1.3 // room for the names of the lines
	return p, nil
}

func refinedTicks() plot.ConstantTicks {
	var ticks plot.ConstantTicks
	for _, n := range refinements {
		ticks = append(ticks, plot.Tick{Value: float64(n), Label: strconv.Itoa(n)})
	}
	return ticks
}

func gainPlot(r *Report) (*plot.Plot, error) {
	p := plot.New()
	p.Title.Text, p.Y.Label.Text = "relevance", figureGain
	p.Y.Min, p.Y.Max = 0, 100
	p.NominalX(search.Languages()...)
	for n, engine := range engineNames {
		var line plotter.XYs
		for _, row := range r.Rows {
			for x, lang := range search.Languages() {
				if row.What == judgedPrefix+lang+": "+engine {
					line = append(line, plotter.XY{X: float64(x), Y: row.Figures[figureGain]})
				}
			}
		}
		if err := addLine(p, n, engine, line, false); err != nil {
			return nil, err
		}
	}
	return p, nil
}
