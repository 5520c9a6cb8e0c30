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

// storeBy finds a store by its id in decimal or, failing that, its code, as the read API does.
func storeBy(ctx context.Context, db queryer, name string) (store, error) {
	id, err := strconv.ParseInt(name, 10, 64)
	if err != nil {
		id = 0
	}
	if id == 0 && !codePattern.MatchString(name) {
		return store{}, errNoStore
	}
	const query = `select id, code, currency, active from stores where code = $1 or id = $2 order by (id = $2) desc limit 1`
	var s store
	err = db.QueryRow(ctx, query, name, id).Scan(&s.id, &s.code, &s.currency, &s.active)
	if errors.Is(err, pgx.ErrNoRows) {
		return store{}, errNoStore
	}
	if err != nil {
		return store{}, fmt.Errorf("find store %q: %w", cut(name, 64), err)
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
	if errors.Is(err, errNoStore) {
		return s, api.Errorf(api.Unprocessable, "There is no store %q.", cut(name, 64)).At(field)
	}
	return s, err
}
