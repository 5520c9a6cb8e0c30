package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

// catchUp is how long the readers may stand still before we give up waiting for them, and patience how long the read API
// may give no answer at all.
const (
	catchUp  = 3 * time.Minute
	patience = 20 * time.Second
)

// caughtUp waits until pages and search show everything that was committed up to now, as the read API itself says when
// it is sent the position. Else what is measured is a backlog.
func caughtUp(ctx context.Context, note func(string, ...any), c *client, pool *pgxpool.Pool) error {
	var position string
	if err := pool.QueryRow(ctx, "select pg_current_wal_insert_lsn()::text").Scan(&position); err != nil {
		return fmt.Errorf("read the position: %w", err)
	}
	now := time.Now()
	w := wait{position: position, began: now, told: now, moved: now}
	answered := now
	for {
		behind, err := lagOf(ctx, c, position)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err == nil && behind.model == "":
			return nil
		case err == nil || errors.Is(err, errEmpty):
			answered = time.Now()
		case time.Since(answered) > patience:
			return err
		}
		w.look(ctx, c, behind, note)
		if time.Since(w.moved) > catchUp {
			return errors.Join(fmt.Errorf("the readers do not catch up with %s: %s", position, w.last), err)
		}
		if !sleepUntil(ctx, time.Now().Add(100*time.Millisecond)) {
			return ctx.Err()
		}
	}
}

// wait is what has been seen of readers that catch up.
type wait struct {
	position           string
	began, told, moved time.Time
	last               lag
	found              int // by search, during a first load
}

// look takes in how far they are now, and tells it now and then.
func (w *wait) look(ctx context.Context, c *client, behind lag, note func(string, ...any)) {
	now := time.Now()
	if behind != w.last {
		w.last, w.moved = behind, now
	}
	if now.Sub(w.told) < noteEvery {
		return
	}
	w.told = now
	seconds := int(now.Sub(w.began).Seconds())
	if !behind.loading() {
		note("waiting for the readers to pass %s, %d s by now: %s", w.position, seconds, behind)
		return
	}
	if n := foundNow(ctx, c); n != w.found {
		w.found, w.moved = n, now
	}
	note("%s, %d s by now; search finds %d products", behind, seconds, w.found)
}

// lag is how far a read model is that has not passed a position.
type lag struct{ model, asOf string }

// loading says that the model never was up to date, and so has no place in the log to name.
func (l lag) loading() bool { return l.asOf == "" || l.asOf == "0/0" }

func (l lag) String() string {
	if l.loading() {
		return l.model + " has not finished its first load"
	}
	return l.model + " is at " + l.asOf
}

// foundNow counts the products that search finds in all stores, a sign of life of a first load; what can't be asked counts
// as nothing.
func foundNow(ctx context.Context, c *client) (n int) {
	stores, err := readStores(ctx, c)
	if err != nil {
		return 0
	}
	for _, s := range stores {
		var page struct{ Total int }
		if c.read(ctx, searchPath(s.ID, s.Languages[0])+"&limit=0", &page) == nil {
			n += page.Total
		}
	}
	return n
}

// lagOf returns the first of the read models that has not passed the position; the zero lag when all have.
func lagOf(ctx context.Context, c *client, position string) (lag, error) {
	stores, err := readStores(ctx, c)
	if err != nil {
		return lag{model: "the read API"}, err
	}
	id, lang := stores[0].ID, stores[0].Languages[0]
	behind, body, err := lagAt(ctx, c, modelCategory, homePath(id, lang), position)
	if err != nil || behind.model != "" {
		return behind, err
	}
	var home homePage
	if err := json.Unmarshal(body, &home); err != nil {
		return lag{model: modelCategory}, fmt.Errorf("decode the home page of store %d: %w", id, err)
	}
	for _, section := range home.Categories {
		if len(section.Cards) == 0 {
			continue
		}
		if behind, _, err = lagAt(ctx, c, modelProduct, productPath(id, section.Cards[0].Product, lang), position); err != nil || behind.model != "" {
			return behind, err
		}
		break
	}
	behind, _, err = lagAt(ctx, c, modelSearch, searchPath(id, lang)+"&limit=0", position)
	return behind, err
}

// lagAt asks one path. A page that is not there yet lags.
func lagAt(ctx context.Context, c *client, model, path, position string) (lag, []byte, error) {
	a, err := c.at(ctx, path, position)
	if err != nil {
		return lag{model: model}, nil, err
	}
	if a.behind || a.asOf == "" || a.asOf == "0/0" || a.status != http.StatusOK {
		return lag{model, a.asOf}, nil, nil
	}
	return lag{}, a.body, nil
}
