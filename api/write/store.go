package write

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/jackc/pgx/v5"

	"freshet/api"
)

// store is what the requests need of a row of stores.
type store struct {
	id       int64
	code     string
	currency string
	active   bool
}

var errNoStore = errors.New("no such store")

// storeName is how a request names a store: by its id in decimal or, failing that, its code, as for the read API.
type storeName struct {
	name string
	id   int64
}

func parseStore(name string) (storeName, error) {
	id, err := strconv.ParseInt(name, 10, 64)
	if err != nil {
		id = 0
	}
	if id == 0 && !codePattern.MatchString(name) {
		return storeName{}, errNoStore
	}
	return storeName{name, id}, nil
}

// named names the store as a request would.
func (s *store) named() storeName { return storeName{s.code, s.id} }

// storesNamed are the stores with the storeName $1 and $2, of which the first is meant.
const storesNamed = ` from stores where code = $1 or id = $2 order by (id = $2) desc limit 1`

// queue asks for the store. Where there is none the batch fails with errNoStore.
func (n storeName) queue(b *pgx.Batch, s *store) {
	b.Queue(`select id, code, currency, active`+storesNamed, n.name, n.id).QueryRow(func(row pgx.Row) error {
		err := row.Scan(&s.id, &s.code, &s.currency, &s.active)
		if errors.Is(err, pgx.ErrNoRows) {
			return errNoStore
		}
		return err
	})
}

// storeBy finds a store by its name.
func storeBy(ctx context.Context, db batcher, name string) (s store, err error) {
	n, err := parseStore(name)
	if err != nil {
		return s, err
	}
	b := &pgx.Batch{}
	n.queue(b, &s)
	if err := db.SendBatch(ctx, b).Close(); err != nil {
		return s, fmt.Errorf("find store %q: %w", cut(name, 64), err)
	}
	return s, nil
}

// storeInPath is storeBy for a store that is part of the path, where an unknown one is a path to nowhere.
func storeInPath(ctx context.Context, tx pgx.Tx, name string) (store, error) {
	s, err := storeBy(ctx, tx, name)
	return s, unknownStore(err, name)
}

// unknownStore says that the store doesn't exist when err does.
func unknownStore(err error, name string) error {
	if errors.Is(err, errNoStore) {
		return api.Errorf(api.NotFound, "There is no store %q.", cut(name, 64))
	}
	return err
}

// storeInBody is storeBy for a store that the body names.
func storeInBody(ctx context.Context, tx pgx.Tx, name, field string) (store, error) {
	s, err := storeBy(ctx, tx, name)
	return s, unknownInBody(err, name, field)
}

// unknownInBody says that the store doesn't exist which a field names, when err does.
func unknownInBody(err error, name, field string) error {
	if errors.Is(err, errNoStore) {
		return api.Errorf(api.Unprocessable, "There is no store %q.", cut(name, 64)).At(field)
	}
	return err
}

// open wants a store that sells.
func (s *store) open() error {
	if !s.active {
		return api.Errorf(api.Conflict, "The store %s is closed.", s.code).At("store")
	}
	return nil
}
