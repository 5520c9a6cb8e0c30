package contact_test

import (
	"context"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"freshet/api/write/contact"
	"freshet/deploy/postgres"
	"freshet/deploy/stack/stacktest"
)

const fixture = `
insert into category_trees (code, name) values ('fashion', 'Fashion');
insert into stores (code, name, market, currency, languages, tree_id) values ('paris', 'Paris', 'fr', 'EUR', '{fr,en}', 1);
insert into sellers (name, slug) values ('Atelier', 'atelier'), ('Vide', 'vide');
insert into customers (email, lang) values ('anna@example.org', 'it');
insert into orders (customer_id, store_id, currency, total) values (1, 1, 'EUR', 1);
insert into queued_orders (id, customer_id, state, problem, accepted_at) values (repeat('a', 32), 1, 'refused', '{}', now());
insert into accounts (id, role, email, password, seller_id, active) values
  (11, 'seller', 'atelier@example.org', 'x', 1, true), (12, 'seller', 'left@example.org', 'x', 1, false);
`

func TestWhomToTell(t *testing.T) {
	url := stacktest.Postgres(t)
	if _, err := postgres.Migrate(t.Context(), url); err != nil {
		t.Fatal(err)
	}
	pool, err := pgxpool.New(context.Background(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	if _, err := pool.Exec(t.Context(), fixture); err != nil {
		t.Fatal(err)
	}
	book := contact.New(pool)
	want := func(got []contact.Person, err error, people ...contact.Person) {
		t.Helper()
		if err != nil || len(got) != len(people) || len(got) > 0 && got[0] != people[0] {
			t.Errorf("found %+v, %v; want %+v", got, err, people)
		}
	}
	got, err := book.Customer(t.Context(), 1)
	want(got, err, contact.Person{Email: "anna@example.org", Lang: "it", Store: "Paris", Currency: "EUR", Decimals: 2})
	got, err = book.Customer(t.Context(), 99)
	want(got, err)
	got, err = book.Queued(t.Context(), strings.Repeat("a", 32))
	want(got, err, contact.Person{Email: "anna@example.org", Lang: "it"})
	got, err = book.Queued(t.Context(), strings.Repeat("b", 32))
	want(got, err)
	got, err = book.Seller(t.Context(), 1, 1)
	want(got, err, contact.Person{Email: "atelier@example.org", Lang: "fr", Store: "Paris", Currency: "EUR", Decimals: 2})
	got, err = book.Seller(t.Context(), 2, 1)
	want(got, err)
}
