package bench

import (
	"fmt"
	"math"
	"os"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/plotutil"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

// drawPlots writes the pictures side by side as an SVG.
func drawPlots(path string, plots []*plot.Plot) error {
	canvas := vgsvg.New(vg.Length(len(plots))*8*vg.Centimeter, 9*vg.Centimeter)
	tiles := draw.Tiles{Rows: 1, Cols: len(plots), PadX: 4 * vg.Millimeter}
	for i, c := range plot.Align([][]*plot.Plot{plots}, tiles, draw.New(canvas))[0] {
		plots[i].Draw(c)
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

// newPicture returns a picture without lines, whose axis of sizes is logarithmic.
func newPicture(title, sizes, figure string) *plot.Plot {
	p := plot.New()
	p.Title.Text, p.X.Label.Text, p.Y.Label.Text = title, sizes, figure
	p.X.Scale, p.X.Tick.Marker = plot.LogScale{}, plot.LogTicks{Prec: -1}
	p.Legend.Top, p.Legend.Left = true, true
	return p
}

// logarithmic makes the axis of figures so too.
func logarithmic(p *plot.Plot) *plot.Plot {
	p.Y.Scale, p.Y.Tick.Marker = plot.LogScale{}, plot.LogTicks{Prec: -1}
	return p
}

// wholeDecades widens a logarithmic axis to the powers of ten around it, which are those that it names.
func wholeDecades(a *plot.Axis) {
	a.Min, a.Max = math.Pow10(int(math.Floor(math.Log10(a.Min)))), math.Pow10(int(math.Ceil(math.Log10(a.Max))))
}

// addLine adds the i-th line of a picture, and names it if the picture has the legend.
func addLine(p *plot.Plot, i int, name string, at plotter.XYs, legend bool) error {
	line, points, err := plotter.NewLinePoints(at)
	if err != nil {
		return err
	}
	line.Color, line.Dashes = plotutil.Color(i), plotutil.Dashes(i)
	points.Color, points.Shape = plotutil.Color(i), plotutil.Shape(i)
	p.Add(line, points)
	if legend {
		p.Legend.Add(name, line, points)
	}
	return nil
}
