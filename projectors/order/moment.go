package order

import "slices"

// Moment is something that happened to an order, with the state that it came to.
type Moment struct {
	At     Instant
	Kind   string
	ID     int64 // of the payment, line, parcel, scan, return or refund; of the order itself when placed and for its states
	State  string
	Place  string // of a scan
	Reason string // why the order or the line was cancelled
}

// Reached says when a row first came to a state. Rows that were changed before the shop kept such times have none.
type Reached struct {
	State string  `bson:"state"`
	At    Instant `bson:"at"`
}

// states are those of which rows have a time, in an order that none of the rows ever goes back in.
var states = []string{
	"authorized", "captured", "paid", "approved", "rejected", "received", "shipped", "delivered", "failed", "voided", "cancelled",
	"expired", "refunded", "done",
}

// times are the columns of all tables that hold such times.
type times struct {
	Authorized string `json:"authorized_at"`
	Captured   string `json:"captured_at"`
	Paid       string `json:"paid_at"`
	Approved   string `json:"approved_at"`
	Rejected   string `json:"rejected_at"`
	Received   string `json:"received_at"`
	Shipped    string `json:"shipped_at"`
	Delivered  string `json:"delivered_at"`
	Failed     string `json:"failed_at"`
	Voided     string `json:"voided_at"`
	Cancelled  string `json:"cancelled_at"`
	Expired    string `json:"expired_at"`
	Refunded   string `json:"refunded_at"`
	Done       string `json:"done_at"`
}

// reached lists the states that the row came to, as the states are listed.
func (r *row) reached() (list []Reached) {
	t := &r.times
	for i, value := range []string{
		t.Authorized, t.Captured, t.Paid, t.Approved, t.Rejected, t.Received, t.Shipped, t.Delivered, t.Failed, t.Voided, t.Cancelled,
		t.Expired, t.Refunded, t.Done,
	} {
		if value != "" {
			list = append(list, Reached{State: states[i], At: r.instant(states[i]+"_at", value)})
		}
	}
	return list
}

// tell appends the moments of a section whose row exists: the first, and one for each state that it came to since.
func (m Mark) tell(all []Moment, first Moment, reached []Reached) []Moment {
	if !m.Live() {
		return all
	}
	all = append(all, first)
	for _, r := range reached {
		all = append(all, Moment{At: r.At, Kind: first.Kind, ID: first.ID, State: r.State})
	}
	return all
}

// status lists what became of the order. A line that went with all of it is not told of.
func (o *Order) status(all []Moment) []Moment {
	over := false
	for _, r := range o.Row.Times {
		m := Moment{At: r.At, Kind: Became, ID: o.ID, State: r.State}
		if r.State == "cancelled" {
			m.Reason = o.Row.Reason.Value
		}
		over = over || r.State == "cancelled" || r.State == "expired"
		all = append(all, m)
	}
	for _, l := range o.Lines {
		if over && l.Reason.Value == "" || !l.Live() {
			continue
		}
		for _, r := range l.Times {
			all = append(all, Moment{At: r.At, Kind: Item, ID: l.Line, State: r.State, Reason: l.Reason.Value})
		}
	}
	return all
}

// rank is the place of a state among those of one instant: what a row begins with is before all others.
func rank(state string) int { return slices.Index(states, state) }
