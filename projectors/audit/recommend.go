package audit

import (
	"strconv"

	"freshet/projectors/recommend"
)

// canonicalTogether holds the counts, from which support follows; lift is of the moment when it was worked out.
func canonicalTogether(t *recommend.Together) (string, any, bool, error) {
	pairs := map[string]any{}
	for _, p := range t.Pairs {
		pairs[strconv.FormatInt(p.Product, 10)] = p.Orders
	}
	return strconv.FormatInt(t.ID, 10), map[string]any{"orders": t.Orders, "pairs": pairs}, t.Orders > 0, nil
}

// canonicalPicks holds what was bought; what is picked by it is of the moment of the customer's last order.
func canonicalPicks(p *recommend.Picks) (string, any, bool, error) {
	bought := map[string]any{}
	for _, b := range p.Bought {
		bought[strconv.FormatInt(b.Product, 10)] = b.Score
	}
	return strconv.FormatInt(p.ID, 10), map[string]any{"bought": bought}, len(bought) > 0, nil
}
