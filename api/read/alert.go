package read

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"freshet/api"
	"freshet/projectors/alert"
	"freshet/projectors/dimension"
)

// Alerts are the documents of alerts; alert.Store has them.
type Alerts interface {
	Alerts(ctx context.Context, seller int64, f alert.Filter) ([]alert.Alert, error)
}

// AlertList is a page of a seller's alerts, the newest first.
type AlertList struct {
	Alerts []Alert `json:"alerts"`
	Next   string  `json:"next,omitempty"` // the parameter after of the page that follows; left out on the last
}

// Alert is what happened to the stock of a SKU in a store.
type Alert struct {
	ID         string     `json:"id"`
	Kind       alert.Kind `json:"kind"`
	Store      string     `json:"store"`
	ProductID  int64      `json:"product_id"`
	SKU        string     `json:"sku"`
	Available  int64      `json:"available"`
	LowStockAt int64      `json:"low_stock_at"`
	At         time.Time  `json:"at"`
}

func (s *Shop) alerts(ctx context.Context, r *request) (response, error) {
	seller := r.account("seller")
	f := alert.Filter{Store: r.storeFilter(), Kind: r.query.alertKind()}
	limit := int(r.query.integer("limit", 1, 100, 20))
	f.At, f.ID = r.query.afterAlert()
	if err := r.query.end(); err != nil {
		return response{}, err
	}
	f.Limit = limit + 1 // one more tells that there is another page
	found, err := s.cfg.Alerts.Alerts(ctx, seller, f)
	if err != nil {
		return response{}, err
	}
	list := AlertList{Alerts: []Alert{}}
	for _, a := range found[:min(limit, len(found))] {
		list.Alerts = append(list.Alerts, Alert{
			ID: a.ID, Kind: a.Kind, Store: storeCode(r.dims, a.Store), ProductID: a.Product, SKU: a.SKU, Available: a.Available,
			LowStockAt: a.LowStockAt, At: time.UnixMicro(a.At).UTC(),
		})
	}
	if len(found) > limit {
		last := found[limit-1]
		list.Next = fmt.Sprintf("%d-%s", last.At, last.ID)
	}
	return response{document: list}, nil
}

// storeFilter takes the store that the list is narrowed to, 0 for all. A closed store's alerts are still its seller's.
func (r *request) storeFilter() int64 {
	name, given := r.query.one("store")
	if !given {
		return 0
	}
	st, ok := r.dims.StoreNamed(name)
	if !ok {
		r.query.fail("store", "There is no store %q.", cut(name))
	}
	return st.ID
}

// storeCode is what people call a store; the id of one that is not loaded yet.
func storeCode(dims *dimension.Set, id int64) string {
	if st, ok := dims.Store(id); ok {
		return st.Code
	}
	return strconv.FormatInt(id, 10)
}

func (q *query) alertKind() alert.Kind {
	text, given := q.one("kind")
	if given && !slices.Contains(alert.Kinds(), alert.Kind(text)) {
		q.fail("kind", "The parameter kind must be %s.", api.List(alert.Kinds()))
	}
	return alert.Kind(text)
}

// afterAlert takes where the page before ended, as its member next says.
func (q *query) afterAlert() (at int64, id string) {
	text, given := q.one("after")
	if !given {
		return 0, ""
	}
	micros, id, _ := strings.Cut(text, "-")
	at, err := strconv.ParseInt(micros, 10, 64)
	if err != nil || id == "" {
		q.fail("after", "The parameter after must be what a page said in next.")
	}
	return at, id
}
