package bench

import (
	"fmt"
	"os"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/plotutil"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
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
	plots := make([][]*plot.Plot, 1)
	for i, n := range skus {
		p, err := lockingPlot(n, lines[n], i == 0)
		if err != nil {
			return fmt.Errorf("draw %d SKUs: %w", n, err)
		}
		plots[0] = append(plots[0], p)
	}
	canvas := vgsvg.New(vg.Length(len(skus))*8*vg.Centimeter, 9*vg.Centimeter)
	tiles := draw.Tiles{Rows: 1, Cols: len(skus), PadX: 4 * vg.Millimeter}
	for i, c := range plot.Align(plots, tiles, draw.New(canvas))[0] {
		plots[0][i].Draw(c)
	}
	f, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("write the plot: %w", err)
	}
	if _, err := canvas.WriteTo(f); err != nil {
		_ = f.Close() // the plot is lost already
		return fmt.Errorf("write the plot: %w", err)
	}
	return f.Close()
}

func lockingPlot(skus int, lines map[string]plotter.XYs, legend bool) (*plot.Plot, error) {
	p := plot.New()
	p.Title.Text = fmt.Sprintf("%d SKUs", skus)
	p.X.Label.Text, p.Y.Label.Text = "buyers", figureRate
	p.X.Scale, p.X.Tick.Marker = plot.LogScale{}, plot.LogTicks{Prec: -1}
	p.Y.Min = 0
	for i, s := range strategies {
		line, points, err := plotter.NewLinePoints(lines[s.name])
		if err != nil {
			return nil, err
		}
		line.Color, line.Dashes = plotutil.Color(i), plotutil.Dashes(i)
		points.Color, points.Shape = plotutil.Color(i), plotutil.Shape(i)
		p.Add(line, points)
		if legend {
			p.Legend.Add(s.name, line, points)
		}
	}
	p.Legend.Top, p.Legend.Left = true, true
	return p, nil
}
