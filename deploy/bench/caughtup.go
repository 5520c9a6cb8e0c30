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
	began := time.Now()
	told, answered, moved := began, began, began
	var last lag
	for {
		now, err := lagOf(ctx, c, position)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err == nil && now.model == "":
			return nil
		case err == nil || errors.Is(err, errEmpty):
			answered = time.Now()
		case time.Since(answered) > patience:
			return err
		}
		if now != last {
			last, moved = now, time.Now()
		}
		if time.Since(moved) > catchUp {
			return errors.Join(fmt.Errorf("the readers do not catch up with %s: %s", position, last), err)
		}
		if time.Since(told) >= noteEvery {
			told = time.Now()
			note("waiting for the readers to pass %s, %d s by now: %s", position, int(time.Since(began).Seconds()), last)
		}
		if !sleepUntil(ctx, time.Now().Add(100*time.Millisecond)) {
			return ctx.Err()
		}
	}
}

// lag is how far a read model is that has not passed a position.
type lag struct{ model, asOf string }

func (l lag) String() string {
	if l.asOf == "" || l.asOf == "0/0" {
		return l.model + " has not finished its first load"
	}
	return l.model + " is at " + l.asOf
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
