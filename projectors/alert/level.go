package alert

// Level is how a SKU stands in a store.
type Level string

// The levels.
const (
	OK  Level = "ok"
	Low Level = "low"
	Out Level = "out"
)

// Next returns the level of a SKU that stood at l when its row says so many units and warns at so few; 0 is for never.
//
// A level is left later than it is entered, or every hold on the last unit that ends after five minutes would be an alert:
// low only well above the threshold, by half of it and at least two units; out only at half the threshold.
func (l Level) Next(available, threshold int64) Level {
	switch {
	case available <= 0:
		return Out
	case l == Out && available < max(1, (threshold+1)/2):
		return Out
	case threshold > 0 && available <= threshold:
		return Low
	case threshold > 0 && l == Low && available <= threshold+max(1, threshold/2):
		return Low
	default:
		return OK
	}
}

// crossing is what the way from one level to another says; "" for nothing. The first row of a SKU crosses nothing.
func crossing(from, to Level) Kind {
	switch {
	case from == "" || from == to:
		return ""
	case to == Out:
		return OutOfStock
	case from == Out:
		return BackInStock
	case to == Low:
		return LowStock
	default:
		return ""
	}
}
