package admin_test

import (
	"net/http"
	"testing"
	"time"

	"freshet/api/admin"
	"freshet/projectors/alert"
)

func TestAlarmsThatStandAreListed(t *testing.T) {
	d := newDesk(t, &line{})
	var list admin.AlarmList
	d.want(http.StatusOK, &list, "GET", "/admin/v1/alarms")
	if len(list.Alarms) != 0 {
		t.Fatalf("%+v", list)
	}
	began := time.Now().UTC().Truncate(time.Second)
	wrong := []alert.Finding{{Kind: "stock", Key: "7:A", Detail: "on_hand: want 7, got 8"}, {Kind: "node", Key: "7:3:it", Detail: "count: want 1, got 2"}}
	for i, findings := range [][]alert.Finding{wrong, wrong[:1]} {
		if err := d.alarms.Look(t.Context(), 7, findings, began.Add(time.Duration(i)*time.Second)); err != nil {
			t.Fatal(err)
		}
	}
	d.want(http.StatusOK, &list, "GET", "/admin/v1/alarms?limit=5")
	want := admin.Alarm{ID: "stock/7:A", Kind: "stock", Store: 7, Key: "7:A", Detail: wrong[0].Detail, Raised: began}
	if len(list.Alarms) != 1 || list.Alarms[0] != want {
		t.Errorf("%+v, want %+v", list.Alarms, want)
	}
	d.want(http.StatusBadRequest, nil, "GET", "/admin/v1/alarms?limit=0")
}
