package admin_test

import (
	"net/http"
	"testing"
	"time"

	"freshet/projectors/tree"
)

func TestARebuildSaysHowItGoes(t *testing.T) {
	d := newDesk(t, &line{})
	d.want(http.StatusNotFound, nil, "GET", "/admin/v1/stores/8/rebuild")
	d.want(http.StatusNotFound, nil, "GET", "/admin/v1/stores/milano/rebuild")
	began := time.Now().UTC().Truncate(time.Millisecond)
	d.pages[7] = tree.Rebuilt{Partition: 1, Offset: 4, ID: "a", Started: began, Offers: 500}
	var r tree.Rebuilt
	d.want(http.StatusOK, &r, "GET", "/admin/v1/stores/milano/rebuild")
	if r != d.pages[7] {
		t.Errorf("under way: %+v", r)
	}
	ended := began.Add(time.Second)
	d.pages[7] = tree.Rebuilt{Partition: 1, Offset: 4, ID: "a", Started: began, Finished: &ended, Offers: 900, Documents: 40}
	d.want(http.StatusOK, &r, "GET", "/admin/v1/stores/7/rebuild")
	if r.Finished == nil || !r.Finished.Equal(ended) || r.Documents != 40 {
		t.Errorf("finished: %+v", r)
	}
}
