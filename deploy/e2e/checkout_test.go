package e2e

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"freshet/api/auth"
	"freshet/deploy/bench"
	"freshet/deploy/stack/stacktest"
)

// sale is a market on a Postgres of its own; both may be killed.
type sale struct {
	*market
	server         *stacktest.Server
	kills, crashes int
	attempts       atomic.Int64
	attempted      chan struct{} // holds one when attempts were made since it was emptied
	every          int           // so many attempts lie between two faults, more or less
	dice           *rand.Rand
}

func newSale(ctx context.Context, t *testing.T, every int) *sale {
	t.Helper()
	server := stacktest.PostgresServer(t, 17)
	_, url := server.Database(t)
	shop := &shop{t: t, prefix: "market", postgres: url, env: []string{"FRESHET_POSTGRES_URL=" + url}}
	shop.run("migrate")
	// What is taken into the queue is another path: make drill-postgres has it.
	m := shop.open("--queue-orders=false", "--request-timeout", "1m")
	m.playing(ctx)
	m.write.supervise(ctx)
	awaitReady(ctx, t, m.base)
	return &sale{market: m, server: server, attempted: make(chan struct{}, 1), every: every, dice: rand.New(rand.NewPCG(*seedFlag, 1))}
}

var attemptsFlag = flag.Int("attempts", 500_000, "of the long sale to buy of one SKU, and as many of a thousand")

// TestASaleThroughCrashes sells too little to too many while the write API is killed and Postgres crashes, and counts: nothing
// is oversold, nothing done twice, and no buyer was told of an order that isn't there. `make drill-sale` makes a
// million attempts of it.
func TestASaleThroughCrashes(t *testing.T) {
	cfg := bench.CheckoutConfig{Attempts: 200, Buyers: 100, Units: 20, SKUs: 20, Workers: 16, Patience: 10 * time.Minute, Seed: *seedFlag}
	every, within := 70, 15*time.Minute
	if os.Getenv("FRESHET_TEST_LONG") != "" {
		cfg.Attempts, cfg.Buyers, cfg.Units, cfg.SKUs, cfg.Workers = *attemptsFlag, 5000, 100, 1000, 64
		every, within = 20_000, 5*time.Hour
	}
	ctx := deadline(t, within)
	s := newSale(ctx, t, every)
	cfg.Sign, cfg.Attempted = s.sign, s.count
	var report *bench.Report
	var err error
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		report, err = bench.Checkout(ctx, bench.Target{Write: s.base, PostgresURL: s.postgres, Version: "test", Note: t.Logf}, cfg)
	}()
	s.disturb(t, ended)
	if err != nil {
		t.Fatalf("seed %d: %v", *seedFlag, err)
	}
	s.judge(t, report)
}

func (s *sale) sign(customer int64) (string, error) {
	return s.issuer.Issue(auth.Claims{Subject: strconv.FormatInt(customer, 10), Role: auth.Customer})
}

func (s *sale) count(int) {
	s.attempts.Add(1)
	select {
	case s.attempted <- struct{}{}:
	default:
	}
}

// disturb kills the API and crashes Postgres in turn, among the attempts, until the sale has ended.
func (s *sale) disturb(t *testing.T, ended <-chan struct{}) {
	next := int64(s.every)
	for {
		select {
		case <-ended:
			return
		case <-s.attempted:
		}
		if s.attempts.Load() < next {
			continue
		}
		begun := time.Now()
		if s.kills > s.crashes {
			s.server.Crash()
			s.server.Start()
			s.crashes++
		} else {
			s.write.kill()
			s.kills++
		}
		t.Logf("%d attempts: kill %d of the API, crash %d of Postgres, %s", s.attempts.Load(), s.kills, s.crashes, time.Since(begun).Round(time.Millisecond))
		next = s.attempts.Load() + int64(s.every/2+s.dice.IntN(s.every))
	}
}

func (s *sale) judge(t *testing.T, report *bench.Report) {
	t.Helper()
	for _, problem := range report.Problems {
		t.Errorf("seed %d: %s", *seedFlag, problem)
	}
	if s.kills == 0 || s.crashes == 0 {
		t.Errorf("%d kills and %d crashes: the sale went through nothing", s.kills, s.crashes)
	}
	var table strings.Builder
	if err := report.Table(&table); err != nil {
		t.Error(err)
	}
	t.Logf("seed %d, %d kills of the API, %d crashes of Postgres:\n%s", *seedFlag, s.kills, s.crashes, table.String())
	s.judgeProvider(t)
}

// judgeProvider compares what was charged by the provider's own count with the orders that are paid.
func (s *sale) judgeProvider(t *testing.T) {
	t.Helper()
	rows, err := s.connect().Query(t.Context(), `select coalesce(p.reference, ''), o.status, p.amount from payments p join orders o on o.id = p.order_id`)
	if err != nil {
		t.Fatal(err)
	}
	var reference, status string
	var amount int64
	paid, captured := 0, 0
	if _, err := pgx.ForEachRow(rows, []any{&reference, &status, &amount}, func() error {
		p, _ := s.play.Payment(reference)
		captured += p.Captured
		kept := int64(p.Captured)*amount - p.Refunded
		if p.Captured > 1 || p.Authorized > 1 || (status == "paid") != (kept == amount) || status != "paid" && kept != 0 {
			return fmt.Errorf("the order of payment %s is %s, and the provider says %+v", reference, status, p)
		}
		if status == "paid" {
			paid++
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
	if all := s.play.Captured(); all != captured {
		t.Errorf("the provider took money %d times, and the shop knows of %d", all, captured)
	}
	if paid == 0 {
		t.Error("no order was paid")
	}
}
