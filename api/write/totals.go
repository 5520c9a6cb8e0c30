package write

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"freshet/api"
)

// Basket is what is about to be bought, for those who calculate what comes with it. Amounts are minor units.
type Basket struct {
	Store    string
	Currency string
	Country  string // where it goes, ISO 3166
	Shipping string // the way it is sent that the customer chose
	Lines    []OrderItem
	Items    int64 // sum of the lines
}

// Shipping says what it costs to send the basket; what it refuses is the field shipping or country. It must not call
// anything outside: it runs in the order's transaction.
type Shipping func(Basket) (int64, error)

// Tax says how much tax there is on the basket and its shipping, and whether it comes on top of the prices or is in them.
// It must not call anything outside either, and names what it refuses in the same way.
type Tax func(b Basket, shipping int64) (tax int64, onTop bool, err error)

// Rate is what one way of sending costs, and from which sum of the items on it is free; 0 for never.
type Rate struct {
	Amount, FreeFrom int64
}

// FlatShipping charges by the way of sending alone.
func FlatShipping(rates map[string]Rate) Shipping {
	return func(b Basket) (int64, error) {
		rate, ok := rates[b.Shipping]
		if !ok {
			return 0, api.Errorf(api.Unprocessable, "There is no shipping %q: choose %s.", cut(b.Shipping, 32), api.List(slices.Sorted(maps.Keys(rates)))).At("shipping")
		}
		if rate.FreeFrom > 0 && b.Items >= rate.FreeFrom {
			return 0, nil
		}
		return rate.Amount, nil
	}
}

// IncludedTax takes the country's rate, in percent, out of prices that have it in them, as consumer prices in Europe do.
// A country that it has no rate for isn't delivered to.
func IncludedTax(percent map[string]int64) Tax {
	return func(b Basket, shipping int64) (int64, bool, error) {
		rate, ok := percent[b.Country]
		if !ok {
			return 0, false, api.Errorf(api.Unprocessable, "Nothing is sent to %s, only to %s.", cut(b.Country, 8), api.List(slices.Sorted(maps.Keys(percent)))).At("country")
		}
		return included(b.Items+shipping, rate), false, nil
	}
}

// included is the tax in a gross amount, rounded half up. An amount is at most 10^16, so nothing overflows.
func included(gross, percent int64) int64 {
	return (2*gross*percent + (100 + percent)) / (2 * (100 + percent))
}

func defaultShipping() Shipping {
	return FlatShipping(map[string]Rate{"standard": {Amount: 490, FreeFrom: 5000}, "express": {Amount: 990}})
}

func defaultTax() Tax {
	return IncludedTax(map[string]int64{"IT": 22, "FR": 20, "DE": 19, "ES": 21, "GB": 20})
}

// inAddress says where a checkout's body has the country that a calculator refuses: one of a quote has it by itself.
func inAddress(err error) error {
	e := new(api.Error)
	if !errors.As(err, &e) {
		return err
	}
	for i := range e.Fields {
		if e.Fields[i].Field == "country" {
			e.Fields[i].Field = "address.country"
		}
	}
	return err
}

// Totals are the sums of an order.
type Totals struct {
	Items    int64 `json:"items_total"`
	Shipping int64 `json:"shipping_total"`
	Tax      int64 `json:"tax_total"`
	Total    int64 `json:"total"`
}

func (s *Shop) totals(b Basket) (t Totals, err error) {
	for _, l := range b.Lines {
		t.Items += l.UnitAmount * l.Quantity
	}
	b.Items, b.Lines = t.Items, slices.Clone(b.Lines)
	if t.Shipping, err = s.shipping(b); err != nil {
		return t, err
	}
	tax, onTop, err := s.tax(b, t.Shipping)
	if err != nil {
		return t, err
	}
	if t.Shipping < 0 || tax < 0 {
		return t, fmt.Errorf("a calculator says shipping %d and tax %d", t.Shipping, tax)
	}
	t.Tax, t.Total = tax, t.Items+t.Shipping
	if onTop {
		t.Total += tax
	}
	return t, nil
}
