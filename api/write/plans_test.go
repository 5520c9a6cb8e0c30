package write_test

import (
	"context"
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
)

// statementLog keeps the statements that a pool sends.
type statementLog struct {
	meter
	mu         sync.Mutex
	statements []string
}

func (r *statementLog) TraceQueryStart(ctx context.Context, _ *pgx.Conn, data pgx.TraceQueryStartData) context.Context {
	r.record(data.SQL)
	return ctx
}

func (r *statementLog) TraceBatchQuery(_ context.Context, _ *pgx.Conn, data pgx.TraceBatchQueryData) {
	r.record(data.SQL)
}

func (r *statementLog) record(sql string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !slices.Contains(r.statements, sql) {
		r.statements = append(r.statements, sql)
	}
}

// planned are the statements that Postgres makes a plan for.
var planned = regexp.MustCompile(`^\s*(select|insert|update|delete|with)\b`)

// ofWhatIsDue are the indexes by which what is due is found, whosever it is.
var ofWhatIsDue = []string{"payment_tasks_next", "orders_due", "reservations_held", "carts_due"}

// TestAVisitFindsItsRowsByKey: a vacuum leaves the indexes of what is due as good as empty, and no statement is planned to read
// them but those that say so.
func TestAVisitFindsItsRowsByKey(t *testing.T) {
	r := &statementLog{}
	s := newShop(t, traced(t, r))
	s.cart("POST", "/api/v1/cart/1", twoBoots, append(s.anna(), "Idempotency-Key", "k")...)
	s.want(s.request("GET", "/api/v1/cart?store=milano", "", s.anna()...), 200)
	s.want(s.request("POST", "/api/v1/checkout", body(1, twoBootsTotal, "succeed"), append(s.anna(), "Idempotency-Key", "k")...), 201)
	s.work()
	s.cart("POST", "/api/v1/cart/1", twoBoots, s.anna()...)
	s.want(s.request("POST", "/api/v1/checkout", body(1, twoBootsTotal, "decline"), append(s.anna(), "Idempotency-Key", "l")...), 201)
	s.work()
	s.exec("vacuum analyze payment_tasks, payments, orders, reservations, carts, cart_items, inventory, idempotency_keys")

	seen := map[string]bool{}
	for _, sql := range r.statements {
		if !planned.MatchString(sql) {
			continue
		}
		for _, scan := range s.indexScans(sql) {
			seen[scan.Index] = true
			if slices.Contains(ofWhatIsDue, scan.Index) && (scan.Cond == "" || !strings.Contains(sql, "id > 0")) {
				t.Errorf("%s is read by %q in %s", scan.Index, scan.Cond, sql)
			}
		}
	}
	for _, index := range []string{"payment_tasks_pkey", "payment_tasks_next", "reservations_held", "carts_customer_id_store_id_idx"} {
		if !seen[index] {
			t.Errorf("no statement uses %s: %v", index, seen)
		}
	}
}

// indexScan is one of a plan.
type indexScan struct {
	Index string      `json:"Index Name"`
	Cond  string      `json:"Index Cond"`
	Plans []indexScan `json:"Plans"`
}

// indexScans plans the statement as the shop's connections do, and lists the indexes that it reads.
func (s *shop) indexScans(sql string) (scans []indexScan) {
	s.t.Helper()
	conn, err := s.pool.Acquire(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	defer conn.Release()
	results, err := conn.Conn().PgConn().Exec(s.t.Context(), "explain (generic_plan, format json) "+sql).ReadAll()
	if err != nil {
		s.t.Fatalf("explain %s: %v", sql, err)
	}
	var plans []struct{ Plan indexScan }
	if err := json.Unmarshal(results[0].Rows[0][0], &plans); err != nil {
		s.t.Fatal(err)
	}
	var walk func(p indexScan)
	walk = func(p indexScan) {
		if p.Index != "" {
			scans = append(scans, p)
		}
		for _, below := range p.Plans {
			walk(below)
		}
	}
	walk(plans[0].Plan)
	return scans
}
