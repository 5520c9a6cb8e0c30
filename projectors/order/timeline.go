package order

import (
	"cmp"
	"slices"
	"time"
)

// The kinds of moment, in the order in which those of one instant happen.
const (
	Placed   = "placed"
	Paid     = "payment"
	Item     = "line"
	Became   = "order"
	Sent     = "shipment"
	Scanned  = "scan"
	Returned = "return"
	Refunded = "refund"
)

var kinds = []string{Placed, Paid, Item, Became, Sent, Scanned, Returned, Refunded}

// Live says whether the order exists.
func (o *Order) Live() bool { return o != nil && o.Row.Live() }

// Timeline lists what happened to the order, by time. It tells what the rows tell and no more, so an order that was folded
// from a snapshot has the same timeline as one that was watched.
func (o *Order) Timeline() []Moment {
	all := []Moment{{At: o.Row.Placed, Kind: Placed, ID: o.ID, State: "placed"}}
	for _, p := range o.Payments {
		all = p.tell(all, Moment{At: p.Created, Kind: Paid, ID: p.ID, State: "pending"}, p.Times)
	}
	all = o.status(all)
	for _, s := range o.Shipments {
		all = s.tell(all, Moment{At: s.Created, Kind: Sent, ID: s.ID, State: "created"}, nil)
	}
	for _, s := range o.Scans {
		all = s.tell(all, Moment{At: s.At, Kind: Scanned, ID: s.ID, State: s.Status.Value, Place: s.Place.Value}, nil)
	}
	for _, r := range o.Returns {
		all = r.tell(all, Moment{At: r.Created, Kind: Returned, ID: r.ID, State: "requested"}, r.Times)
	}
	for _, r := range o.Refunds {
		all = r.tell(all, Moment{At: r.Created, Kind: Refunded, ID: r.ID, State: "pending"}, r.Times)
	}
	slices.SortFunc(all, func(a, b Moment) int {
		return cmp.Or(cmp.Compare(a.At, b.At), cmp.Compare(slices.Index(kinds, a.Kind), slices.Index(kinds, b.Kind)), cmp.Compare(a.ID, b.ID),
			cmp.Compare(rank(a.State), rank(b.State)))
	})
	return all
}

// How long a parcel is on its way where its carrier names no day: from the first scan, or from when it was made ready.
const (
	transit  = 3 * 24 * time.Hour
	handover = 24 * time.Hour
)

// Parcel is a shipment with its scans by time, and when it should arrive.
type Parcel struct {
	Shipment
	Lines     []int64 // that are in it
	Scans     []Scan
	Delivered Instant // when a scan said so; 0 for not yet, or when nobody scanned it
	ETA       Instant // 0 for a parcel that has arrived, is lost or goes back
	Estimated bool    // the carrier named no day
	Late      bool    // it should have arrived by now
}

// Parcels lists the order's parcels by id.
func (o *Order) Parcels(now time.Time) []Parcel {
	var all []Parcel
	for _, s := range o.Shipments {
		if !s.Live() {
			continue
		}
		p := Parcel{Shipment: s}
		for _, l := range o.Lines {
			if l.Live() && l.Shipment == s.ID {
				p.Lines = append(p.Lines, l.Line)
			}
		}
		for _, scan := range o.Scans {
			if scan.Live() && scan.Shipment == s.ID {
				p.Scans = append(p.Scans, scan)
			}
		}
		slices.SortFunc(p.Scans, func(a, b Scan) int { return cmp.Or(cmp.Compare(a.At, b.At), cmp.Compare(a.ID, b.ID)) })
		p.expect(now)
		all = append(all, p)
	}
	return all
}

// expect works out when the parcel arrives. A scan may come before its parcel's own row is updated, and after: either of
// them saying that the parcel has arrived, is lost or goes back is enough.
func (p *Parcel) expect(now time.Time) {
	ended := ends(p.Status)
	for _, s := range p.Scans {
		ended = ended || ends(s.Status.Value)
		if s.Status.Value == "delivered" {
			p.Delivered = s.At
		}
	}
	if ended {
		return
	}
	switch {
	case p.Shipment.ETA != 0:
		p.ETA = p.Shipment.ETA
	case len(p.Scans) > 0:
		p.ETA, p.Estimated = p.Scans[0].At+Instant(transit.Microseconds()), true
	default:
		p.ETA, p.Estimated = p.Created+Instant((handover+transit).Microseconds()), true
	}
	p.Late = now.After(p.ETA.UTC())
}

func ends(status string) bool {
	return status == "delivered" || status == "lost" || status == "returned"
}
