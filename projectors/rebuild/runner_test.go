package rebuild

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/segmentio/kafka-go"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"freshet/deploy/stack/stacktest"
	"freshet/projectors/audit"
)

// shop is what a runner works on: stores, what was done with them, and what is wrong in them.
type shop struct {
	mu     sync.Mutex
	stores []int64
	done   []string
	wrong  map[int64]int // documents, by store
	cursed bool          // no repair helps
	fail   func(what string) error
}

func (s *shop) do(what string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fail != nil {
		if err := s.fail(what); err != nil {
			return err
		}
	}
	s.done = append(s.done, what)
	return nil
}

func (s *shop) work() Work {
	return Work{
		Rows:   func(_ context.Context, _ string, rate int) error { return s.do(fmt.Sprint("rows ", rate)) },
		Stores: func(context.Context) ([]int64, error) { return s.stores, nil },
		Store:  func(_ context.Context, store int64) error { return s.do(fmt.Sprint("make ", store)) },
		Look: func(_ context.Context, store int64) (audit.Report, error) {
			r := audit.Result{Kind: audit.Node, Expected: 10}
			for i := range s.wrong[store] {
				r.Different = append(r.Different, audit.Difference{Key: fmt.Sprintf("%d:%d:it", store, i)})
			}
			return audit.Report{r}, s.do(fmt.Sprint("look ", store))
		},
		Mend: func(_ context.Context, store int64) error {
			if !s.cursed {
				delete(s.wrong, store)
			}
			return s.do(fmt.Sprint("mend ", store))
		},
	}
}

func newBoard(t *testing.T) *Board {
	t.Helper()
	uri, name := stacktest.Mongo(t)
	client, err := mongo.Connect(options.Client().ApplyURI(uri))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Disconnect(context.Background()) })
	return Open(client.Database(name))
}

func (s *shop) runner(b *Board) *Runner { return NewRunner(b, s.work(), slog.New(slog.DiscardHandler)) }

func begin(t *testing.T, b *Board, order Order) Job {
	t.Helper()
	job, err := b.Begin(t.Context(), order)
	if err != nil {
		t.Fatal(err)
	}
	return job
}

func TestAStoreCountsWhenItWasCompared(t *testing.T) {
	b := newBoard(t)
	s := &shop{stores: []int64{3, 5, 9}, wrong: map[int64]int{5: 2}}
	job := begin(t, b, Order{Rows: true, Rate: 7, Budget: 1})
	got, err := s.runner(b).Follow(t.Context(), job.Run)
	if err != nil || got.State != Done || got.Finished == nil {
		t.Fatalf("%+v, %v", got, err)
	}
	want := []string{"rows 7", "look 0", "make 3", "look 3", "make 5", "look 5", "look 5", "look 5", "mend 5", "look 5", "make 9", "look 9"}
	if !slices.Equal(s.done, want) {
		t.Errorf("did %v, want %v", s.done, want)
	}
	if got.Stored != 3 || got.Stores != 3 || got.Cursor != 9 || got.Documents != 40 || got.Mended != 1 || got.Wrong != 0 {
		t.Errorf("%+v", got)
	}
}

func TestWhatCanNotBeMendedFailsIt(t *testing.T) {
	b := newBoard(t)
	s := &shop{stores: []int64{3, 5}, wrong: map[int64]int{3: maxFindings + 2, noStore: 1}, cursed: true}
	got, err := s.runner(b).Follow(t.Context(), begin(t, b, Order{Budget: 1}).Run)
	if err != nil || got.State != Failed || got.Wrong != maxFindings+3 || len(got.Findings) != maxFindings || got.Findings[1].Store != 3 || got.Stored != 2 {
		t.Errorf("%+v, %v", got, err)
	}
}

// A process that fails leaves the job to the next at once, and one that dies when its lease has ended; what was compared is
// not done again.
func TestItGoesOnWhereItWas(t *testing.T) {
	b := newBoard(t)
	broken := errors.New("broken")
	s := &shop{stores: []int64{3, 5, 9}, fail: func(what string) error {
		if what == "look 5" {
			return broken
		}
		return nil
	}}
	job := begin(t, b, Order{Rows: true, Budget: 1})
	if _, err := s.runner(b).Follow(t.Context(), job.Run); !errors.Is(err, broken) {
		t.Fatal(err)
	}
	stands, err := b.Job(t.Context())
	if err != nil || stands.State != Running || stands.Cursor != 3 || !stands.RowsDone || stands.Problem == "" {
		t.Fatalf("%+v, %v", stands, err)
	}
	// Another that died a while ago.
	if _, err := b.change(t.Context(), func(j *Job) bool { j.Holder, j.Beat = "dead", moment().Add(-2*lease); return true }); err != nil {
		t.Fatal(err)
	}
	s.fail, s.done = nil, nil
	got, err := s.runner(b).Follow(t.Context(), job.Run)
	if err != nil || got.State != Done || got.Problem != "" || got.Run != job.Run {
		t.Fatalf("%+v, %v", got, err)
	}
	if want := []string{"make 5", "look 5", "make 9", "look 9"}; !slices.Equal(s.done, want) {
		t.Errorf("did %v, want %v", s.done, want)
	}
}

// TestWhatPassesIsTriedAgain fails each step twice with what passes: nobody has to ask again, and nothing is done twice for it but
// what had failed.
func TestWhatPassesIsTriedAgain(t *testing.T) {
	b := newBoard(t)
	refused := &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
	passing := []error{
		fmt.Errorf("ask: %w", refused), fmt.Errorf("list offsets: %w", kafka.LeaderNotAvailable), fmt.Errorf("wait: %w", context.DeadlineExceeded),
		&net.OpError{Op: "read", Net: "tcp", Err: os.NewSyscallError("read", syscall.ECONNRESET)}, fmt.Errorf("fetch: %w", io.ErrUnexpectedEOF),
		&pgconn.PgError{Code: "57P03"}, fmt.Errorf("read the search index: %w", &audit.AnswerError{Status: http.StatusTooManyRequests}),
	}
	failed := map[string]int{}
	s := &shop{stores: []int64{3, 5}, fail: func(what string) error {
		if failed[what]++; failed[what] <= 2 {
			n := failed["all"]
			failed["all"]++
			return passing[n%len(passing)]
		}
		return nil
	}}
	got, err := s.runner(b).Follow(t.Context(), begin(t, b, Order{Rows: true, Rate: 7, Budget: 1}).Run)
	if err != nil || got.State != Done || got.Problem != "" {
		t.Fatalf("%+v, %v", got, err)
	}
	if want := []string{"rows 7", "look 0", "make 3", "make 3", "make 3", "look 3", "make 5", "make 5", "make 5", "look 5"}; !slices.Equal(s.done, want) {
		t.Errorf("did %v, want %v", s.done, want)
	}
}

// TestWhatDoesNotPassIsTold: after a time of standing still.
func TestWhatDoesNotPassIsTold(t *testing.T) {
	b := newBoard(t)
	tries := 0
	s := &shop{stores: []int64{3}, fail: func(what string) error {
		if what == "make 3" {
			tries++
			return kafka.LeaderNotAvailable
		}
		return nil
	}}
	r := s.runner(b)
	r.patience = 500 * time.Millisecond
	if got, err := r.Follow(t.Context(), begin(t, b, Order{Budget: 1}).Run); !errors.Is(err, kafka.LeaderNotAvailable) || tries < 2 {
		t.Fatalf("%+v after %d attempts: %v", got, tries, err)
	}
}

// TestStandstill: what comes on has time again.
func TestStandstill(t *testing.T) {
	var s standstill
	began := time.Now()
	steps := []struct {
		job         Job
		at          time.Duration
		since, wait time.Duration
	}{
		{Job{}, 0, 0, retryMin},
		{Job{}, time.Minute, time.Minute, 2 * retryMin},
		{Job{RestDone: true}, 2 * time.Minute, 0, retryMin},
		{Job{RestDone: true}, 3 * time.Minute, time.Minute, 2 * retryMin},
		{Job{RestDone: true, Cursor: 3}, 4 * time.Minute, 0, retryMin},
	}
	for i, step := range steps {
		if since, wait := s.lasts(step.job, began.Add(step.at)); since != step.since || wait != step.wait {
			t.Errorf("step %d: stands for %s, waits %s", i, since, wait)
		}
	}
}

func TestOneProcessAtATimeAndAStop(t *testing.T) {
	b := newBoard(t)
	first, goOn := make(chan struct{}), make(chan struct{})
	s := &shop{stores: []int64{3, 5}}
	s.fail = func(what string) error {
		if what == "make 3" {
			close(first)
			<-goOn
		}
		return nil
	}
	job := begin(t, b, Order{Budget: 1})
	ended := make(chan Job, 1)
	go func() {
		got, err := s.runner(b).Follow(t.Context(), job.Run)
		if err != nil {
			t.Errorf("the first: %v", err)
		}
		ended <- got
	}()
	<-first
	other := &shop{stores: s.stores}
	if _, err := other.runner(b).perform(t.Context()); !errors.Is(err, errTaken) || len(other.done) > 0 {
		t.Errorf("the second: %v, did %v", err, other.done)
	}
	if stopped, err := b.Stop(t.Context()); err != nil || stopped.State != Stopped {
		t.Fatalf("%+v, %v", stopped, err)
	}
	close(goOn)
	if got := <-ended; got.State != Stopped || got.Stored != 0 || slices.Contains(s.done, "make 5") {
		t.Errorf("%+v, did %v", got, s.done)
	}
	if _, err := b.Stop(t.Context()); !errors.Is(err, ErrNone) {
		t.Errorf("a second stop: %v", err)
	}
}

// Run carries out what is asked for later, tries again what fails, and says why it stands meanwhile.
func TestRunTriesAgain(t *testing.T) {
	b := newBoard(t)
	failures, problem := 0, ""
	s := &shop{stores: []int64{3}}
	s.fail = func(what string) error {
		if what != "make 3" {
			return nil
		}
		if failures++; failures == 1 {
			return errors.New("the stage is paused")
		}
		job, err := b.Job(t.Context())
		if err == nil {
			problem = job.Problem
		}
		return err
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- s.runner(b).Run(ctx) }()
	job := begin(t, b, Order{Budget: 1})
	for job.State == Running && pause(ctx, 20*time.Millisecond) {
		var err error
		if job, err = b.Job(ctx); err != nil {
			t.Fatal(err)
		}
	}
	cancel()
	if err := <-ended; err != nil || job.State != Done || problem == "" {
		t.Errorf("%+v, %v; it stood for %q", job, err, problem)
	}
}
