package read

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"freshet/projectors/order"
)

// OrderList is a page of a customer's orders, the newest first.
type OrderList struct {
	Orders []OrderSummary `json:"orders"`
	Next   string         `json:"next,omitempty"` // the parameter after of the page that follows; left out on the last
}

// OrderSummary is an order in a list.
type OrderSummary struct {
	OrderHead
	Lines []OrderLine `json:"lines"`
}

func (s *Shop) history(ctx context.Context, r *request) (response, error) {
	customer := r.account("customer")
	p := order.Period{
		From: r.query.day("startDate", false, 1),
		To:   r.query.day("endDate", true, order.Instant(maxTime.UnixMicro())),
	}
	limit := int(r.query.integer("limit", 1, 100, 20))
	p.Placed, p.ID = r.query.after()
	if p.From >= p.To {
		r.query.fail("endDate", "The end lies before the start.")
	}
	if err := r.query.end(); err != nil {
		return response{}, err
	}
	p.Limit = limit + 1 // one more tells that there is another page
	found, err := s.cfg.Orders.History(ctx, customer, p)
	if err != nil {
		return response{}, err
	}
	list := OrderList{Orders: []OrderSummary{}}
	for _, o := range found[:min(limit, len(found))] {
		list.Orders = append(list.Orders, OrderSummary{OrderHead: orderHead(o, r.dims), Lines: orderLines(o)})
	}
	if len(found) > limit {
		last := found[limit-1]
		list.Next = fmt.Sprintf("%d-%d", last.Row.Placed, last.ID)
	}
	return response{document: list}, nil
}

// maxTime is the last instant that can be written with a year of four digits.
var maxTime = time.Date(9999, 12, 31, 23, 59, 59, 999_999_000, time.UTC)

// day takes a time, or a day in UTC: its first instant, or where the day is to be included the next one's.
func (q *query) day(name string, include bool, otherwise order.Instant) order.Instant {
	text, given := q.one(name)
	if !given {
		return otherwise
	}
	if t, err := time.Parse(time.DateOnly, text); err == nil {
		if include {
			t = t.AddDate(0, 0, 1)
		}
		return order.Instant(t.UnixMicro())
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		q.fail(name, "The parameter %s must be a day, such as 2026-03-01, or a time in RFC 3339.", name)
	}
	return order.Instant(t.UnixMicro())
}

// after takes where the page before ended, as its member next says.
func (q *query) after() (order.Instant, int64) {
	text, given := q.one("after")
	if !given {
		return 0, 0
	}
	micros, id, _ := strings.Cut(text, "-")
	placed, err := strconv.ParseInt(micros, 10, 64)
	last, idErr := strconv.ParseInt(id, 10, 64)
	if err != nil || idErr != nil || last <= 0 {
		q.fail("after", "The parameter after must be what a page said in next.")
		return 0, 0
	}
	return order.Instant(placed), last
}
