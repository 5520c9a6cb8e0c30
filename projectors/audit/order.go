package audit

import (
	"strconv"

	"freshet/projectors/order"
)

// canonicalOrder leaves out the sections of rows that are gone, and the document of an order whose own row is.
func canonicalOrder(o *order.Order) (string, any, bool, error) {
	lines, payments, shipments, scans := map[string]any{}, map[string]any{}, map[string]any{}, map[string]any{}
	returns, refunds := map[string]any{}, map[string]any{}
	for _, l := range o.Lines {
		enter(lines, l.Mark, l.Line, map[string]any{
			"sku": l.SKU, "product": l.Product, "quantity": l.Quantity, "unit_amount": l.UnitAmount, "status": l.Status, "shipment": l.Shipment,
			"reason": l.Reason.Value, "times": times(l.Times),
		})
	}
	for _, p := range o.Payments {
		enter(payments, p.Mark, p.ID, map[string]any{
			"provider": p.Provider, "reference": p.Reference.Value, "state": p.State, "amount": p.Amount, "currency": p.Currency, "created": p.Created,
			"times": times(p.Times),
		})
	}
	for _, s := range o.Shipments {
		enter(shipments, s.Mark, s.ID, map[string]any{
			"carrier": s.Carrier.Value, "tracking": s.Tracking.Value, "status": s.Status, "eta": s.ETA, "created": s.Created,
		})
	}
	for _, s := range o.Scans {
		enter(scans, s.Mark, s.ID, map[string]any{"shipment": s.Shipment, "status": s.Status.Value, "place": s.Place.Value, "at": s.At})
	}
	for _, r := range o.Returns {
		enter(returns, r.Mark, r.ID, map[string]any{
			"line": r.Line, "quantity": r.Quantity, "reason": r.Reason.Value, "note": r.Note.Value, "state": r.State, "created": r.Created,
			"times": times(r.Times),
		})
	}
	for _, r := range o.Refunds {
		enter(refunds, r.Mark, r.ID, map[string]any{
			"payment": r.Payment, "return": r.Return, "amount": r.Amount, "state": r.State, "created": r.Created,
			"reason": r.Reason.Value, "times": times(r.Times),
		})
	}
	return strconv.FormatInt(o.ID, 10), map[string]any{
		"customer": o.Row.Customer, "store": o.Row.Store, "status": o.Row.Status, "currency": o.Row.Currency, "total": o.Row.Total,
		"shipping": o.Row.Shipping, "tax": o.Row.Tax, "reason": o.Row.Reason.Value, "times": times(o.Row.Times),
		"placed": o.Row.Placed, "expires": o.Row.Expires, "lines": lines, "payments": payments, "shipments": shipments, "scans": scans,
		"returns": returns, "refunds": refunds,
	}, o.Live(), nil
}

func enter(list map[string]any, m order.Mark, key int64, shown map[string]any) {
	if m.Live() {
		list[strconv.FormatInt(key, 10)] = shown
	}
}

func times(list []order.Reached) map[string]any {
	shown := map[string]any{}
	for _, r := range list {
		shown[r.State] = r.At
	}
	return shown
}
