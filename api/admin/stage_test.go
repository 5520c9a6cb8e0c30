package admin_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/segmentio/kafka-go"

	"freshet/api/admin"
	"freshet/api/apitest"
	"freshet/ingest/change"
	"freshet/projectors"
	"freshet/projectors/control"
)

// order posts a body and decodes the answer, which must have the status.
func (d *desk) order(status int, dst any, path, body string) {
	d.t.Helper()
	got, answer := d.request("POST", path, body, "Content-Type", "application/json")
	if got != status {
		d.t.Fatalf("POST %s %s: %d, want %d: %s", path, body, got, status, answer)
	}
	if dst != nil {
		if err := json.Unmarshal(answer, dst); err != nil {
			d.t.Fatal(err)
		}
	}
}

// TestStages: what is asked of a stage is answered, shown in the status, and can be taken back.
func TestStages(t *testing.T) {
	d := newDesk(t, nil)
	var asked control.Stage
	d.order(http.StatusOK, &asked, "/admin/v1/stages/tree/pause", `{"reason":"MongoDB moves"}`)
	if !asked.Paused || asked.Reason != "MongoDB moves" || asked.Since == nil {
		t.Errorf("paused: %+v", asked)
	}
	place := `{"topic":"` + change.OfferViewTopic(d.prefix) + `","partition":1,"offset":7`
	d.order(http.StatusOK, &asked, "/admin/v1/stages/tree/skip", place+`,"reason":"no JSON"}`)
	d.order(http.StatusOK, &asked, "/admin/v1/stages/tree/replay", `{"since":"2026-11-27T08:00:00Z"}`)
	var status admin.Status
	d.want(http.StatusOK, &status, "GET", "/admin/v1/status")
	for _, s := range status.Stages {
		switch s.Stage {
		case "tree":
			if s.Control == nil || !s.Control.Paused || len(s.Control.Skips) != 1 || s.Control.Replay == nil {
				t.Errorf("the status of tree says %+v", s.Control)
			}
		case "index":
			if s.Control == nil || s.Control.Paused {
				t.Errorf("the status of index says %+v", s.Control)
			}
		}
	}
	d.order(http.StatusOK, &asked, "/admin/v1/stages/tree/unskip", place+`}`)
	var after control.Stage
	d.order(http.StatusOK, &after, "/admin/v1/stages/tree/resume", "")
	if after.Paused || len(after.Skips) != 0 {
		t.Errorf("all was taken back: %+v", after)
	}
	d.order(http.StatusNotFound, nil, "/admin/v1/stages/ingest/pause", "{}")
	d.order(http.StatusBadRequest, nil, "/admin/v1/stages/tree/skip", `{"topic":"somebody.elses","partition":0,"offset":1}`)
}

// TestReproject: the command reaches the partition of the store's worker.
func TestReproject(t *testing.T) {
	d := newDesk(t, nil)
	for body, want := range map[string]projectors.Command{
		`{"product":42}`: {Kind: projectors.Product, Product: 42},
		`{"category":3}`: {Kind: projectors.Node, Category: 3},
	} {
		var answer admin.Rebuild
		d.order(http.StatusAccepted, &answer, "/admin/v1/stores/milano/reproject", body)
		values := d.records(change.CommandTopic(d.prefix), change.Partition([]byte("7"), 4))
		got, err := projectors.DecodeCommand(values[len(values)-1])
		if err != nil {
			t.Fatal(err)
		}
		if got.Kind != want.Kind || got.Product != want.Product || got.Category != want.Category || got.Store != 7 || got.ID != answer.ID {
			t.Errorf("command %+v for %s", got, body)
		}
	}
	for _, body := range []string{`{}`, `{"product":1,"category":1}`, `{"product":-1}`} {
		d.order(http.StatusBadRequest, nil, "/admin/v1/stores/milano/reproject", body)
	}
	d.order(http.StatusNotFound, nil, "/admin/v1/stores/roma/reproject", `{"product":1}`)
}

// TestReplayLetters: a letter's record goes back to where it stood; one that is not there fails the whole order.
func TestReplayLetters(t *testing.T) {
	d := newDesk(t, nil)
	views := change.OfferViewTopic(d.prefix)
	d.park(views, "the index refuses it")
	d.order(http.StatusNotFound, nil, "/admin/v1/deadletters/replay", `{"offsets":[0,99]}`)
	if n := len(d.records(views, 0)); n != 0 {
		t.Fatalf("%d records were sent by an order that failed", n)
	}
	var answer admin.Replayed
	d.order(http.StatusOK, &answer, "/admin/v1/deadletters/replay", `{"offsets":[0]}`)
	if n := len(d.records(views, 0)); answer.Sent != 1 || n != 1 {
		t.Errorf("%d sent, %d records there", answer.Sent, n)
	}
	d.order(http.StatusBadRequest, nil, "/admin/v1/deadletters/replay", `{"offsets":[]}`)
}

// park puts a letter about a record of partition 0 on the dead-letter topic.
func (d *desk) park(topic, reason string) {
	d.t.Helper()
	header := func(key, value string) kafka.Header { return kafka.Header{Key: key, Value: []byte(value)} }
	answer, err := d.client.Produce(d.t.Context(), &kafka.ProduceRequest{
		Topic: change.DeadLetterTopic(d.prefix), RequiredAcks: kafka.RequireAll,
		Records: kafka.NewRecordReader(kafka.Record{
			Key: kafka.NewBytes([]byte("7")), Value: kafka.NewBytes([]byte("{}")), Headers: []kafka.Header{
				header(projectors.HeaderDeadStage, "index"), header(projectors.HeaderDeadReason, reason), header(projectors.HeaderDeadTopic, topic),
				header(projectors.HeaderDeadPartition, "0"), header(projectors.HeaderDeadOffset, "0"),
			},
		}),
	})
	if err == nil {
		err = answer.Error
	}
	if err != nil {
		d.t.Fatal(err)
	}
}

// TestEveryStageTakesOrders: the description of the API names the stages that the server takes orders for.
func TestEveryStageTakesOrders(t *testing.T) {
	file, err := apitest.Document()
	if err != nil {
		t.Fatal(err)
	}
	var named []string
	for _, stage := range file.Components.Parameters["Stage"].Value.Schema.Value.Enum {
		named = append(named, fmt.Sprint(stage))
	}
	if !slices.Contains(named, "notify") {
		t.Fatalf("the file names %v", named)
	}
	d := newDesk(t, nil)
	for _, stage := range named {
		d.order(http.StatusOK, nil, "/admin/v1/stages/"+stage+"/resume", "")
	}
	_, answer := d.request("POST", "/admin/v1/stages/none/resume", "")
	if want := strings.Join(named, ", "); !strings.Contains(string(answer), want) {
		t.Errorf("the server names other stages than %s: %s", want, answer)
	}
}
