// Package contact finds whom to tell of what happened to an order or to a seller's stock: their address and language.
//
// Personal data is not on the topics and in no read model, so whoever sends notifications asks here at the moment of
// sending. It reads Postgres and writes nothing.
package contact

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"freshet/api/currency"
)

// Person is somebody to write to.
type Person struct {
	Email string
	Lang  string
	Store string // what the store is called
	// Currency is that of the order, or the store; its amounts have so many Decimals.
	Currency string
	Decimals int
}

// Book looks people up; it stays the caller's to close the pool.
type Book struct{ pool *pgxpool.Pool }

// New returns the Book of a database.
func New(pool *pgxpool.Pool) *Book { return &Book{pool} }

// Customer is who placed an order; none when it is gone.
func (b *Book) Customer(ctx context.Context, order int64) ([]Person, error) {
	const query = `select c.email, c.lang, s.name, o.currency from orders o join customers c on c.id = o.customer_id
		join stores s on s.id = o.store_id where o.id = $1`
	p := Person{}
	err := b.pool.QueryRow(ctx, query, order).Scan(&p.Email, &p.Lang, &p.Store, &p.Currency)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("find the customer of order %d: %w", order, err)
	}
	p.Decimals = currency.Digits(p.Currency)
	return []Person{p}, nil
}

// Queued is who sent an order that was queued; none when the order or they are gone. It names no store: what was refused
// has none.
func (b *Book) Queued(ctx context.Context, id string) ([]Person, error) {
	const query = `select c.email, c.lang from queued_orders q join customers c on c.id = q.customer_id where q.id = $1`
	p := Person{}
	err := b.pool.QueryRow(ctx, query, id).Scan(&p.Email, &p.Lang)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("find the customer of queued order %s: %w", id, err)
	}
	return []Person{p}, nil
}

// Seller is who signs in for a seller, at most ten of them, in the language of the store that it is about.
func (b *Book) Seller(ctx context.Context, seller, store int64) ([]Person, error) {
	const query = `select a.email, s.languages[1], s.name, s.currency from accounts a, stores s
		where a.seller_id = $1 and a.active and s.id = $2 order by a.id limit 10`
	rows, err := b.pool.Query(ctx, query, seller, store)
	if err != nil {
		return nil, fmt.Errorf("find the accounts of seller %d: %w", seller, err)
	}
	people, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (Person, error) {
		p := Person{}
		err := row.Scan(&p.Email, &p.Lang, &p.Store, &p.Currency)
		p.Decimals = currency.Digits(p.Currency)
		return p, err
	})
	if err != nil {
		return nil, fmt.Errorf("find the accounts of seller %d: %w", seller, err)
	}
	return people, nil
}
