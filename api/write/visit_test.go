package write_test

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"freshet/api/write"
)

// What a whole visit may cost the database at most: something put into the cart, the cart read, the checkout, and its
// payment with what the provider tells of it. Two cores carry as many orders a second as these numbers let them.
const (
	visitStatements   = 65
	visitTrips        = 18
	visitTransactions = 4
)

// meter counts what a pool sends.
type meter struct{ statements, trips, begins atomic.Int64 }

func (m *meter) String() string {
	return fmt.Sprintf("%d statements in %d round trips, %d transactions", m.statements.Load(), m.trips.Load(), m.begins.Load())
}

// TraceQueryStart counts a statement that is sent alone, but for what sets up a new connection: that is no visit's.
func (m *meter) TraceQueryStart(ctx context.Context, _ *pgx.Conn, data pgx.TraceQueryStartData) context.Context {
	if strings.HasPrefix(data.SQL, "set ") {
		return ctx
	}
	m.trips.Add(1)
	m.count(data.SQL)
	return ctx
}

// TraceQueryEnd has nothing to count.
func (m *meter) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

// TraceBatchStart counts the round trip of several statements.
func (m *meter) TraceBatchStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceBatchStartData) context.Context {
	m.trips.Add(1)
	return ctx
}

// TraceBatchQuery counts one of them.
func (m *meter) TraceBatchQuery(_ context.Context, _ *pgx.Conn, data pgx.TraceBatchQueryData) {
	m.count(data.SQL)
}

// TraceBatchEnd has nothing to count.
func (m *meter) TraceBatchEnd(context.Context, *pgx.Conn, pgx.TraceBatchEndData) {}

func (m *meter) count(sql string) {
	m.statements.Add(1)
	if strings.HasPrefix(sql, "begin") {
		m.begins.Add(1)
	}
}

// traced has the shop's statements told to the tracer, and leaves the test's own alone.
func traced(t *testing.T, tracer pgx.QueryTracer) func(*write.Config) {
	return func(c *write.Config) {
		cfg := c.Pool.Config()
		cfg.ConnConfig.Tracer = tracer
		pool, err := pgxpool.NewWithConfig(context.Background(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(pool.Close)
		c.Pool = pool
	}
}

// TestWhatAVisitCosts counts, since a clock would measure the machine.
func TestWhatAVisitCosts(t *testing.T) {
	m := &meter{}
	s := newShop(t, traced(t, m))
	s.cart("POST", "/api/v1/cart/1", twoBoots, append(s.anna(), "Idempotency-Key", "k")...)
	s.want(s.request("GET", "/api/v1/cart?store=milano", "", s.anna()...), 200)
	t.Logf("the cart: %s", m)
	s.want(s.request("POST", "/api/v1/checkout", body(1, twoBootsTotal, "succeed"), append(s.anna(), "Idempotency-Key", "k")...), 201)
	t.Logf("and the checkout: %s", m)
	s.work()
	t.Logf("and the payment: %s", m)
	if m.statements.Load() > visitStatements || m.trips.Load() > visitTrips || m.begins.Load() > visitTransactions {
		t.Errorf("a visit costs more than %d statements, %d round trips or %d transactions", visitStatements, visitTrips, visitTransactions)
	}
	s.audit()
}
