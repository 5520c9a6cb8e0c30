package admin_test

import (
	"net/http"
	"testing"
	"time"

	"freshet/api/admin"
	"freshet/projectors"
	"freshet/projectors/demand"
	"freshet/projectors/document"
)

func TestWhatIsSearchedFor(t *testing.T) {
	d := newDesk(t, nil)
	now := time.Now().UTC().Truncate(time.Millisecond)
	var records []projectors.Record
	for i, e := range []demand.Event{
		{Kind: demand.Search, Text: "stivali", Total: 4},
		{Kind: demand.Search, Text: "stivali", Total: 5},
		{Kind: demand.Click, Text: "stivali", Product: 9},
		{Kind: demand.Search, Text: "slitte"},
	} {
		e.Store, e.Lang, e.At = 7, "it", now
		key, value, err := e.Encode()
		if err != nil {
			t.Fatal(err)
		}
		records = append(records, projectors.Record{Offset: int64(i), Key: key, Value: value})
	}
	if err := demand.NewProjector(d.db, document.Config{}).Handle(t.Context(), records); err != nil {
		t.Fatal(err)
	}
	var list admin.SearchList
	d.want(http.StatusOK, &list, "GET", "/admin/v1/stores/7/searches")
	if len(list.Searches) != 2 {
		t.Fatalf("%+v", list)
	}
	got := list.Searches[0]
	if got.Weight < 1.99 || got.Weight > 2 {
		t.Errorf("weighs %v", got.Weight)
	}
	got.Weight = 0
	if want := (admin.Searched{Text: "stivali", Searches: 2, Clicks: 1, ClickRate: .5, Hits: 5, Last: now}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	d.want(http.StatusOK, &list, "GET", "/admin/v1/stores/7/searches?nothing=true&limit=5&lang=it")
	if len(list.Searches) != 1 || list.Searches[0].Text != "slitte" || list.Searches[0].Nothing != 1 {
		t.Errorf("%+v", list)
	}
	for _, query := range []string{"limit=0", "lang=xx", "nothing=maybe", "page=2"} {
		d.want(http.StatusBadRequest, nil, "GET", "/admin/v1/stores/7/searches?"+query)
	}
	d.want(http.StatusNotFound, nil, "GET", "/admin/v1/stores/99/searches")
}
