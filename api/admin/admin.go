// Package admin is the API for operators: it explains where a product is, rebuilds a store, a part of it or all while live, orders
// and steers ingest's snapshots, pauses, resumes and replays the stages, says how far each is, lists the alarms that stand and what shoppers search for, and shows what could not be
// applied and sends it again. Operators and their scripts call it over HTTP, on a listener and with a token of its own.
//
// Guarantee: a rebuild of a store that was answered 202 is on the command topic for good, in order with the store's other
// changes, and one of all stores is in MongoDB and is carried out to its end, over any restart;
// a signal to ingest that was answered 202 is in the log of Postgres; what was asked of a stage is in MongoDB and holds
// until it is taken back. Everything else only reads.
package admin

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"freshet/api"
	"freshet/ingest/change"
	"freshet/projectors"
	"freshet/projectors/control"
	"freshet/projectors/demand"
	"freshet/projectors/dimension"
	"freshet/projectors/notify"
	"freshet/projectors/progress"
)

// Publisher publishes durably; projectors.Producer does.
type Publisher interface {
	Publish(ctx context.Context, messages []projectors.Message) (map[string][]int64, error)
}

// Progress says how far a stage has come; progress.Tracker does.
type Progress interface {
	Watermark(stage string) (progress.Watermark, bool)
}

// Config is what a Desk is made of; every field is required.
type Config struct {
	Prefix     string // of the topics
	Publisher  Publisher
	Progress   Progress
	Dimensions *dimension.Cache
	Letters    Letters
	Alarms     Alarms
	Demand     Demand
	Pages      Pages
	Rebuilds   Rebuilds
	Controls   *control.Store
	Ingest     Ingest
	Explainer  Explainer
}

// Desk answers the operators' requests.
type Desk struct{ cfg Config }

// New returns a Desk.
func New(cfg Config) *Desk { return &Desk{cfg: cfg} }

// Ready says whether the dimensions can be read.
func (d *Desk) Ready(ctx context.Context) error { return d.cfg.Dimensions.Refresh(ctx) }

// Register adds the routes to the server, all behind its bearer token.
func (d *Desk) Register(server *api.Server) error {
	guard, err := server.Guard()
	if err != nil {
		return fmt.Errorf("guard the admin server: %w", err)
	}
	v1 := server.App().Group("/admin/v1", guard)
	v1.Post("/stores/:store/rebuild", d.rebuild)
	v1.Get("/stores/:store/rebuild", d.rebuilt)
	v1.Post("/rebuild", d.rebuildAll)
	v1.Get("/rebuild", d.rebuildOfAll)
	v1.Post("/rebuild/stop", d.stopRebuild)
	v1.Get("/snapshots", d.snapshots)
	v1.Post("/snapshots", d.orderSnapshot)
	for _, kind := range []string{"pause", "resume", "stop"} {
		v1.Post("/snapshots/:id/"+kind, d.steerSnapshot(kind))
	}
	v1.Get("/status", d.status)
	v1.Get("/deadletters", d.deadLetters)
	v1.Get("/alarms", d.alarms)
	v1.Get("/stores/:store/searches", d.searches)
	v1.Post("/deadletters/replay", d.replayLetters)
	v1.Post("/stores/:store/reproject", d.reproject)
	for order := range orders {
		v1.Post("/stages/:stage/"+order, d.steer(order))
	}
	v1.Get("/explain", d.explain)
	return nil
}

// Rebuild is the answer to a rebuild that is on its way.
type Rebuild struct {
	ID    string `json:"id"`
	Store int64  `json:"store"`
}

func (d *Desk) rebuild(c *fiber.Ctx) error {
	st, ok := d.store(c.Params("store"))
	if !ok {
		return api.Errorf(api.NotFound, "There is no such store.").At("store")
	}
	return d.send(c, projectors.Command{Kind: projectors.Rebuild, Store: st.ID})
}

// send publishes a command and answers with its name.
func (d *Desk) send(c *fiber.Ctx, command projectors.Command) error {
	var id [8]byte
	// crypto/rand.Read never fails: it ends the process instead.
	_, _ = rand.Read(id[:])
	command.ID, command.Reason = hex.EncodeToString(id[:]), "asked for over HTTP"
	command.Dimensions = d.cfg.Dimensions.Get().Version()
	key, value, err := command.Encode()
	if err != nil {
		return err
	}
	message := projectors.Message{Topic: change.CommandTopic(d.cfg.Prefix), Key: key, Value: value}
	if _, err := d.cfg.Publisher.Publish(c.UserContext(), []projectors.Message{message}); err != nil {
		return unavailable(err)
	}
	return api.Send(c, http.StatusAccepted, Rebuild{ID: command.ID, Store: command.Store})
}

// store finds a store by id or code, closed ones too: their documents may need it as well.
func (d *Desk) store(name string) (dimension.Store, bool) {
	return d.cfg.Dimensions.Get().StoreNamed(name)
}

// stages are those whose progress is shown, in the order of the flow.
var stages = []string{"ingest", "dimension", "catalog", "offer", "tree", "index", "order", "alert", "recommend"}

// projecting are those that take orders: all but ingest, and two that no read model waits for and that announce no progress.
var projecting = append(slices.Clone(stages[1:]), demand.StageName, notify.StageName)

// Status is how far every stage is.
type Status struct {
	Stages     []Stage `json:"stages"`
	Dimensions int64   `json:"dimensions"`
}

// Stage is how far one stage is; all but its name only when every one of its partitions has been heard of.
type Stage struct {
	Stage    string      `json:"stage"`
	Known    bool        `json:"known"`
	Position *change.LSN `json:"position,omitempty"`
	Time     *time.Time  `json:"time,omitempty"`
	Behind   *int64      `json:"behind_bytes,omitempty"`
	Age      *float64    `json:"age_seconds,omitempty"`
	// Control is what operators ask of the stage; nil for ingest, and while MongoDB can't be asked.
	Control *control.Stage `json:"control,omitempty"`
}

func (d *Desk) status(c *fiber.Ctx) error {
	answer := Status{Dimensions: d.cfg.Dimensions.Get().Version()}
	head, headKnown := d.cfg.Progress.Watermark(stages[0])
	now := time.Now()
	// How far the stages are is told also while MongoDB is down, which is when it is wanted most.
	asked, _ := d.cfg.Controls.Load(c.UserContext(), stages[1:]...)
	for _, name := range stages {
		s := Stage{Stage: name}
		if control, known := asked[name]; known {
			s.Control = &control
		}
		if mark, known := d.cfg.Progress.Watermark(name); known {
			at, age := mark.Time.UTC(), max(0, now.Sub(mark.Time).Seconds())
			s.Known, s.Position, s.Time, s.Age = true, &mark.LSN, &at, &age
			if headKnown {
				behind := int64(max(head.LSN, mark.LSN) - mark.LSN)
				s.Behind = &behind
			}
		}
		answer.Stages = append(answer.Stages, s)
	}
	return api.Send(c, http.StatusOK, answer)
}

// limit reads how many letters or alarms are wanted.
func limit(raw string) (int, error) {
	query, err := parameters(raw, "limit")
	if err != nil {
		return 0, err
	}
	return atMost(query["limit"])
}

// atMost is the number that limit says, 50 where it says nothing.
func atMost(text string) (int, error) {
	if text == "" {
		return 50, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > 500 {
		return 0, api.Errorf(api.Invalid, "The parameter limit must be one whole number from 1 to 500.").At("limit")
	}
	return n, nil
}

// parameters reads a query string that may hold the named parameters, each once.
func parameters(raw string, names ...string) (map[string]string, error) {
	query, err := url.ParseQuery(raw)
	if err != nil {
		return nil, api.Errorf(api.Invalid, "The query string isn't well-formed.")
	}
	values := make(map[string]string, len(query))
	for name, given := range query {
		if !slices.Contains(names, name) || len(given) > 1 {
			return nil, api.Errorf(api.Invalid, "The only parameters are %s, each once.", strings.Join(names, " and ")).At(name)
		}
		values[name] = given[0]
	}
	return values, nil
}

func unavailable(err error) error {
	if errors.As(err, new(*api.Error)) {
		return err
	}
	return api.Errorf(api.Unavailable, "Kafka can't be reached.").RetryAfter(1).Because(err)
}
