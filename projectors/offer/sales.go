package offer

import (
	"fmt"
	"math"
	"time"

	"freshet/ingest/change"
	"freshet/ingest/failpoint"
)

// HalfLife is how long a sale takes to weigh half as much beside a new one.
const HalfLife = 30 * 24 * time.Hour

// Landmark is the time at which a unit sold adds exactly 1 to Sales.Score.
var Landmark = time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)

// maxHalfLives keeps the score finite whatever a row calls its time: 75 years from the landmark.
const maxHalfLives = 900

// movement reads a row of the ledger; nil when it is no sale. A sale that is later returned or reversed stays counted: it
// was wanted once, and popularity is about that.
func (r row) movement(ev change.Event) (func(*Offer) bool, error) {
	// Nobody may update or delete the ledger; where somebody did so nonetheless, what was counted stays counted.
	// Rows read beside the stream were counted when they came: the ledger only grows, and a part of it is no new beginning.
	if r.Kind != "sale" || ev.Op == change.Update || ev.Op == change.Delete || ev.Incremental {
		return nil, nil
	}
	if r.Quantity >= 0 {
		return nil, fmt.Errorf("%w: sale of %d units of %s, want a negative quantity", change.ErrMalformed, r.Quantity, r.SKU)
	}
	at, err := time.Parse(time.RFC3339, r.CreatedAt)
	if err != nil {
		return nil, fmt.Errorf("%w: time of a stock movement of %s: %w", change.ErrMalformed, r.SKU, err)
	}
	units := -r.Quantity
	weight := weightAt(at)
	return func(o *Offer) bool {
		return o.Sales.count(ev.Position, ev.Op == change.Read, units, float64(units)*weight)
	}, nil
}

func weightAt(t time.Time) float64 {
	halfLives := t.Sub(Landmark).Seconds() / HalfLife.Seconds()
	return math.Exp2(max(-maxHalfLives, min(maxHalfLives, halfLives)))
}

// count adds a sale, once. The partition delivers the ledger in order, so what is not after the high-water mark has been
// counted. A snapshot tells the whole ledger again, and its rows stand right before the slot's consistent point: the first
// row of a newer one than we started from starts the count anew, the rows of an older one are old news.
func (s *Sales) count(pos change.Position, snapshot bool, units int64, score float64) bool {
	if snapshot && pos.Commit < s.Epoch {
		return false
	}
	if !later(pos, s.High) && !failpoint.Enabled("count-again") {
		return false
	}
	if snapshot && pos.Commit > s.Epoch {
		*s = Sales{Epoch: pos.Commit}
	}
	s.High = pos
	s.Units += units
	s.Score += score
	return true
}
