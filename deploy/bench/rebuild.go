package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/valyala/fasthttp"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"freshet/projectors/tree"
)

// RebuildConfig says how often the largest store is rebuilt, and under which load.
type RebuildConfig struct {
	Times   int           // default 3
	Rate    float64       // requests per second for the store's pages meanwhile, default 100
	Writes  float64       // transactions per second meanwhile, in as many runs more; 0 for no such runs
	Timeout time.Duration // of one rebuild, default 5 min
}

func (c *RebuildConfig) defaults() {
	if c.Times <= 0 {
		c.Times = 3
	}
	if c.Rate <= 0 {
		c.Rate = 100
	}
	if c.Timeout <= 0 {
		c.Timeout = 5 * time.Minute
	}
}

// rebuildPoll is how often we look whether a rebuild is finished.
const rebuildPoll = 5 * time.Millisecond

// Rebuild orders the largest store's pages to be made again, while shoppers go on looking at them, and then while others
// write, too. It measures the time from the order to the moment when the tree says that it has answered this very order,
// and stands it beside what MongoDB takes to give away what a rebuild reads.
func Rebuild(ctx context.Context, t Target, cfg RebuildConfig) (report *Report, err error) {
	cfg.defaults()
	read, err := newClient(t.Read, "", 64)
	if err != nil {
		return nil, err
	}
	defer read.close()
	admin, err := newClient(t.Admin, t.Token, 4)
	if err != nil {
		return nil, err
	}
	defer admin.close()
	db, err := mongo.Connect(options.Client().ApplyURI(t.MongoURL).SetAppName("freshet bench"))
	if err != nil {
		return nil, fmt.Errorf("open MongoDB: %w", err)
	}
	defer func() { err = errors.Join(err, db.Disconnect(context.WithoutCancel(ctx))) }()
	r := &rebuilder{cfg: cfg, read: read, admin: admin, pages: tree.NewStore(db.Database(t.MongoDatabase), false), note: t.Note}
	if err := r.largest(ctx); err != nil {
		return nil, err
	}
	report = t.report(ctx, "rebuild", map[string]string{
		"store": fmt.Sprintf("%d (%s)", r.store.ID, r.store.Code), "page requests meanwhile": fmt.Sprintf("%g/s", cfg.Rate),
	})
	if err := r.alone(ctx, report, db.Database(t.MongoDatabase)); err != nil {
		return nil, err
	}
	if err := r.times(ctx, report, ""); err != nil {
		return nil, err
	}
	if cfg.Writes > 0 {
		err = r.amongWriters(ctx, report, t.PostgresURL)
	}
	return report, err
}

// alone adds a row for MongoDB's own share.
func (r *rebuilder) alone(ctx context.Context, report *Report, db *mongo.Database) error {
	r.note("reading what a rebuild reads")
	offers, took, err := readAlone(ctx, db, r.store.ID)
	if err != nil {
		return err
	}
	row := Row{What: "read alone"}
	row.Set("offers", float64(offers))
	row.Set("seconds", took.Seconds())
	row.Set("offers/s", float64(offers)/took.Seconds())
	report.Rows = append(report.Rows, row)
	return nil
}

func (r *rebuilder) times(ctx context.Context, report *Report, beside string) error {
	for n := range r.cfg.Times {
		if err := r.once(ctx, report, fmt.Sprintf("run %d%s", n+1, beside)); err != nil {
			return fmt.Errorf("rebuild store %d: %w", r.store.ID, err)
		}
	}
	return nil
}

// amongWriters rebuilds while prices and stock of the whole shop change, and puts them back.
func (r *rebuilder) amongWriters(ctx context.Context, report *Report, url string) (err error) {
	pool, err := openPool(ctx, url, 16)
	if err != nil {
		return err
	}
	defer pool.Close()
	w, err := newWrites(ctx, pool, nil, 0.2)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.putBack(context.WithoutCancel(ctx))) }()
	done := errors.New("all runs are done")
	err = together(ctx, func(ctx context.Context) error {
		_, err := w.run(ctx, r.cfg.Writes, 24*time.Hour, 16, newSamples())
		return err
	}, func(ctx context.Context) error {
		if err := r.times(ctx, report, fmt.Sprintf(" beside %g tx/s", r.cfg.Writes)); err != nil {
			return err
		}
		return done
	})
	if errors.Is(err, done) {
		return nil
	}
	return err
}

type rebuilder struct {
	cfg         RebuildConfig
	read, admin *client
	pages       *tree.Store
	note        func(string, ...any)
	store       storeInfo
	visits      []visit // pages of the store
}

// largest finds the store with the most offers, and its pages.
func (r *rebuilder) largest(ctx context.Context) error {
	stores, err := readStores(ctx, r.read)
	if err != nil {
		return err
	}
	most := int64(-1)
	for _, s := range stores {
		var home homePage
		if err := r.read.read(ctx, homePath(s.ID, s.Languages[0]), &home); err != nil {
			return fmt.Errorf("find the largest store: %w", err)
		}
		var offers int64
		for _, c := range home.Categories {
			offers += c.Count
		}
		if offers > most {
			most, r.store = offers, s
		}
	}
	f, err := walkStore(ctx, r.read, r.store)
	if err != nil {
		return err
	}
	pages := pagesOf([]*front{f}, newRand(4))
	for _, kind := range []string{kindHome, kindCategory} {
		for _, path := range pages[kind] {
			r.visits = append(r.visits, visit{kind, path})
		}
	}
	return nil
}

// once rebuilds the store and adds a row.
func (r *rebuilder) once(ctx context.Context, report *Report, what string) error {
	r.note("rebuild of store %d: %s", r.store.ID, what)
	ctx, cancel := context.WithTimeout(ctx, r.cfg.Timeout)
	defer cancel()
	seen := newSamples()
	shopping, stop := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		r.shop(shopping, seen)
	}()
	start := time.Now()
	done, err := r.order(ctx)
	took := time.Since(start)
	stop()
	<-ended
	if err != nil {
		return err
	}
	row := Row{What: what}
	row.Set("offers", float64(done.Offers))
	row.Set("documents", float64(done.Documents))
	row.Set("seconds", took.Seconds())
	row.Set("offers/s", float64(done.Offers)/took.Seconds())
	row.Set("documents/s", float64(done.Documents)/took.Seconds())
	var pages []time.Duration
	bad := 0
	for kind, list := range seen.took {
		pages, bad = append(pages, list...), bad+seen.bad[kind]
	}
	shoppers := Row{}
	shoppers.latencies(pages)
	row.Set("pages meanwhile", float64(len(pages)))
	row.Set("page p99 ms", shoppers.Figures["p99 ms"])
	row.Set("errors", float64(bad))
	report.Rows = append(report.Rows, row)
	seen.complain(report)
	return nil
}

// shop asks for the store's pages until the context ends.
func (r *rebuilder) shop(ctx context.Context, seen *samples) {
	plan := schedule{rate: r.cfg.Rate, duration: r.cfg.Timeout, workers: 16}
	// It ends by the context, and what went wrong is in the samples.
	_, _, _ = plan.run(ctx, func(ctx context.Context, n int, due time.Time) error {
		v := r.visits[n%len(r.visits)]
		if err := r.read.check(ctx, v.path); ctx.Err() == nil {
			seen.add(v.kind, time.Since(due), err)
		}
		return ctx.Err()
	})
}

// order asks for a rebuild and waits until it is finished.
func (r *rebuilder) order(ctx context.Context) (tree.Rebuilt, error) {
	var command struct{ ID string }
	var wrong error
	path := fmt.Sprintf("/admin/v1/stores/%d/rebuild", r.store.ID)
	err := r.admin.do(ctx, http.MethodPost, path, "", func(a *fasthttp.Response) {
		if a.StatusCode() != http.StatusAccepted {
			wrong = statusError(path, a.StatusCode(), a.Body())
			return
		}
		wrong = json.Unmarshal(a.Body(), &command)
	})
	if err := errors.Join(err, wrong); err != nil {
		return tree.Rebuilt{}, err
	}
	for {
		done, err := r.pages.Rebuilt(ctx, r.store.ID)
		if err != nil {
			return done, err
		}
		if done.ID == command.ID && done.Finished != nil {
			return done, nil
		}
		if !sleepUntil(ctx, time.Now().Add(rebuildPoll)) {
			return done, fmt.Errorf("command %s was not finished: %w", command.ID, ctx.Err())
		}
	}
}
