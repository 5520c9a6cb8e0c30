package write_test

import (
	"fmt"
	"slices"
	"testing"

	"freshet/api/auth"
	"freshet/api/write"
)

func TestGoodsGoFromStoreToStore(t *testing.T) {
	s, first, second := twoSellers(t)
	body := `{"from":"milano","to":"paris","reason":"sale","lines":[{"sku":"A-1","quantity":4}]}`
	post := func(body string, status int, who []string, header ...string) reply {
		return s.want(s.request("POST", "/api/v1/stock/transfers", body, append(slices.Clone(who), header...)...), status)
	}
	var levels write.Transferred
	r := post(body, 200, first, "Idempotency-Key", "t")
	r.decode(t, &levels)
	if !slices.Equal(levels.From, []write.StockLevel{{SKU: "A-1", OnHand: 16}}) || !slices.Equal(levels.To, []write.StockLevel{{SKU: "A-1", OnHand: 9}}) {
		t.Errorf("levels %+v", levels)
	}
	if again := post(body, 200, first, "Idempotency-Key", "t"); string(again.body) != string(r.body) {
		t.Errorf("replayed %s, first %s", again.body, r.body)
	}
	if n := s.number(`select count(*) from stock_transfers t join stock_movements o on o.id = t.sent join stock_movements i on i.id = t.received
		where o.store_id = 1 and o.kind = 'adjustment' and o.quantity = -4 and o.reason = 'to paris: sale' and o.actor = 'seller/901'
		and i.store_id = 2 and i.kind = 'receipt' and i.quantity = 4 and i.reason = 'from milano: sale' and o.sku = i.sku`); n != 1 {
		t.Error("the ledger doesn't tell the transfer")
	}
	s.audit()
	s.exec(`update inventory set reserved = 10 where sku = 'A-1' and store_id = 1`)
	before := s.state()
	post(`{"from":"milano","to":"paris","lines":[{"sku":"A-1","quantity":7}]}`, 409, first) // what is reserved stays
	post(`{"from":"paris","to":"milano","lines":[{"sku":"A-1","quantity":10}]}`, 409, first)
	post(`{"from":"milano","to":"milano","lines":[{"sku":"A-1","quantity":1}]}`, 422, first)
	post(`{"from":"milano","to":"1","lines":[{"sku":"A-1","quantity":1}]}`, 422, first)
	post(`{"from":"milano","to":"roma","lines":[{"sku":"A-1","quantity":1}]}`, 422, first)
	post(`{"from":"milano","to":"paris","lines":[{"sku":"A-1","quantity":1},{"sku":"A-1","quantity":1}]}`, 422, first)
	post(`{"from":"milano","to":"paris","lines":[{"sku":"A-1","quantity":0}]}`, 422, first)
	post(`{"from":"milano","to":"paris","lines":[{"sku":"Z-1","quantity":1}]}`, 422, second) // Paris doesn't offer it
	post(`{"from":"milano","to":"paris","lines":[{"sku":"A-1","quantity":1}]}`, 422, second) // another's
	if s.state() != before {
		t.Error("refused transfers changed something")
	}
}

// TestTransfersBothWaysAtOnce would deadlock if each took the store that the goods leave first.
func TestTransfersBothWaysAtOnce(t *testing.T) {
	s, first, _ := twoSellers(t)
	statuses := s.gather(40, func(i int) (reply, error) {
		from, to := "milano", "paris"
		if i%2 == 1 {
			from, to = to, from
		}
		return s.try("POST", "/api/v1/stock/transfers", fmt.Sprintf(`{"from":%q,"to":%q,"lines":[{"sku":"A-1","quantity":1}]}`, from, to), first...)
	})
	if statuses[200]+statuses[409] != 40 || statuses[200] < 20 {
		t.Errorf("statuses %v", statuses)
	}
	if n := s.number(`select sum(on_hand) from inventory where sku = 'A-1'`); n != 25 {
		t.Errorf("%d units in both stores, there were 25", n)
	}
	s.audit()
}

func TestThresholdsAndWhatIsLow(t *testing.T) {
	s, first, second := twoSellers(t)
	put := func(body string, status int, who []string) reply {
		return s.want(s.request("PUT", "/api/v1/stores/milano/stock/thresholds", body, who...), status)
	}
	low := func(query string, who []string) (skus []string, next string) {
		var list write.StockList
		s.want(s.request("GET", "/api/v1/stores/milano/stock"+query, "", who...), 200).decode(t, &list)
		for _, row := range list.Stock {
			skus = append(skus, row.SKU)
		}
		return skus, list.Next
	}
	var changed write.Changed
	put(`{"thresholds":[{"sku":"A-1","low_stock_at":20},{"sku":"A-2","low_stock_at":0}]}`, 200, first).decode(t, &changed)
	if changed.Changed != 1 {
		t.Errorf("%d rows written, want only the one that differs", changed.Changed)
	}
	before := s.state()
	put(`{"thresholds":[{"sku":"A-1","low_stock_at":20}]}`, 200, first).decode(t, &changed)
	put(`{"thresholds":[{"sku":"A-1","low_stock_at":1}]}`, 422, second)
	put(`{"thresholds":[{"sku":"A-1","low_stock_at":-1}]}`, 422, first)
	put(`{"thresholds":[{"sku":"A-1"}]}`, 422, first)
	if changed.Changed != 0 || s.state() != before {
		t.Error("what was so already, or refused, was written")
	}
	if skus, _ := low("?low=true", first); !slices.Equal(skus, []string{"A-1"}) {
		t.Errorf("low: %v", skus)
	}
	if skus, _ := low("", second); !slices.Equal(skus, []string{"Z-1"}) {
		t.Errorf("the second seller sees %v", skus)
	}
	skus, next := low("?limit=2", s.as(auth.Support, 7))
	rest, end := low("?limit=2&after="+next, s.as(auth.Support, 7))
	if all := append(skus, rest...); !slices.Equal(all, []string{"A-1", "A-2", "Z-1"}) || end != "" {
		t.Errorf("support sees %v, then %q", all, end)
	}
	for _, query := range []string{"?limit=0", "?limit=501", "?low=maybe", "?after=%27", "?sku=A-1"} {
		s.want(s.request("GET", "/api/v1/stores/milano/stock"+query, "", first...), 400)
	}
}
