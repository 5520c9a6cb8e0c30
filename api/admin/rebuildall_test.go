package admin_test

import (
	"net/http"
	"strings"
	"testing"

	"freshet/projectors/rebuild"
)

func TestRebuildOfAllStores(t *testing.T) {
	d := newDesk(t, &line{})
	d.want(http.StatusNotFound, nil, "GET", "/admin/v1/rebuild")
	d.want(http.StatusConflict, nil, "POST", "/admin/v1/rebuild/stop")
	for _, wrong := range []string{`{"budget":0}`, `{"budget":1.5}`, `{"rate":-1}`, `{"rows":"yes"}`, `{"stores":[7]}`, `{"reason":"` + strings.Repeat("x", 501) + `"}`} {
		d.order(http.StatusBadRequest, nil, "/admin/v1/rebuild", wrong)
	}
	var begun, again, job rebuild.Job
	d.order(http.StatusAccepted, &begun, "/admin/v1/rebuild", `{"rows":true,"rate":5000,"reason":"a disk was replaced"}`)
	if begun.State != rebuild.Running || begun.Order != (rebuild.Order{Rows: true, Rate: 5000, Budget: 0.5, Reason: "a disk was replaced"}) || begun.Run == "" {
		t.Errorf("begun: %+v", begun)
	}
	d.want(http.StatusAccepted, &again, "POST", "/admin/v1/rebuild")
	d.want(http.StatusOK, &job, "GET", "/admin/v1/rebuild")
	if again.Run != begun.Run || job.Run != begun.Run || !again.Rows {
		t.Errorf("begun as %s, again as %+v, found as %s", begun.Run, again, job.Run)
	}
	d.want(http.StatusOK, &job, "POST", "/admin/v1/rebuild/stop")
	if job.State != rebuild.Stopped || job.Finished == nil {
		t.Errorf("stopped: %+v", job)
	}
	d.want(http.StatusAccepted, &again, "POST", "/admin/v1/rebuild")
	if again.Run == begun.Run || again.Rows || again.State != rebuild.Running {
		t.Errorf("after the stop: %+v", again)
	}
}
