// Package sandbox plays a payment provider, for tests and for a shop that is tried out. No money moves.
//
// It is an HTTP handler and a sender of signed events, as a provider is. The payment method tells it how to behave, in
// words joined by "+": succeed, decline, timeout (carry out, but give no answer), late (answer pending; it happens after
// the delay), twice (send every event twice). A method with any other word is declined: who mistypes decline must not find
// that it pays. Guarantees, which are a provider's: a task is carried out once per key; a payment that was voided is never
// authorized; no more is refunded than was captured.
package sandbox

import (
	"crypto/subtle"
	"encoding/json"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"freshet/api/write/payment"
)

// Config is what a Sandbox is made of.
type Config struct {
	// Token is what callers must send as bearer.
	Token string
	// Webhook is where events go, signed with Secret.
	Webhook, Secret string
	// Delay is how late "late" is. Default 2 s.
	Delay time.Duration
	// Client sends the events. Default one with a timeout of 10 s.
	Client *http.Client
	// Log is told of methods that are none. Default slog.Default().
	Log *slog.Logger
}

// Sandbox is the provider. What it knows is in memory and gone when it ends.
type Sandbox struct {
	cfg  Config
	wake chan struct{}

	mu       sync.Mutex
	payments map[string]*Payment
	answers  map[string]bool // keys of tasks that were carried out
	queue    []delivery
	events   int
}

// Payment is what the sandbox knows of a payment. The counters say how often something was really done.
type Payment struct {
	State                        payment.State
	Amount, Refunded             int64
	Currency                     string
	Authorized, Captured, Voided int
	words                        []string
}

// words are what a method may be made of.
var words = []string{"succeed", "decline", "timeout", "late", "twice"}

// New returns a Sandbox; Run sends its events.
func New(cfg Config) *Sandbox {
	if cfg.Delay == 0 {
		cfg.Delay = 2 * time.Second
	}
	if cfg.Client == nil {
		cfg.Client = &http.Client{Timeout: 10 * time.Second}
	}
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	return &Sandbox{cfg: cfg, wake: make(chan struct{}, 1), payments: map[string]*Payment{}, answers: map[string]bool{}}
}

// Payment returns what is known of the payment, and whether there is one.
func (s *Sandbox) Payment(reference string) (Payment, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p, ok := s.payments[reference]
	if !ok {
		return Payment{}, false
	}
	return *p, true
}

// Captured is how many payments were captured, whoever still knows of them.
func (s *Sandbox) Captured() (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.payments {
		n += p.Captured
	}
	return n
}

// ServeHTTP takes tasks: POST /authorize, /capture, /void and /refund.
func (s *Sandbox) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	kind := payment.Kind(strings.TrimPrefix(r.URL.Path, "/"))
	if r.Method != http.MethodPost || !slices.Contains([]payment.Kind{payment.Authorize, payment.Capture, payment.Void, payment.Refund}, kind) {
		http.NotFound(w, r)
		return
	}
	if subtle.ConstantTimeCompare([]byte(r.Header.Get("Authorization")), []byte("Bearer "+s.cfg.Token)) != 1 {
		http.Error(w, "wrong token", http.StatusUnauthorized)
		return
	}
	var task payment.Task
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 64<<10)).Decode(&task); err != nil || task.Key == "" || task.Reference == "" {
		http.Error(w, "not a task", http.StatusBadRequest)
		return
	}
	state, first := s.take(kind, task)
	if first && s.behaves(task.Reference, "timeout") {
		// The work is done and nobody is told: what a connection looks like that breaks at the worst moment.
		panic(http.ErrAbortHandler)
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(payment.Answer{State: state}) // a caller who has gone asks again
}

func (s *Sandbox) behaves(reference, word string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.payments[reference].is(word)
}

func (p *Payment) is(word string) bool { return slices.Contains(p.words, word) }

// strange says that the method has a word that is none.
func (p *Payment) strange() bool {
	return slices.ContainsFunc(p.words, func(word string) bool { return !slices.Contains(words, word) })
}

// take carries the task out, if it is new, and returns the state of the payment.
func (s *Sandbox) take(kind payment.Kind, task payment.Task) (state payment.State, first bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p, ok := s.payments[task.Reference]
	if !ok {
		p = &Payment{State: payment.Pending, Amount: task.Amount, Currency: task.Currency}
		s.payments[task.Reference] = p
	}
	if kind == payment.Authorize && p.words == nil {
		if p.words = strings.Split(task.Method, "+"); p.strange() {
			s.cfg.Log.Warn("declined: the payment method isn't made of the sandbox's words", "method", task.Method, "words", strings.Join(words, " "))
		}
	}
	if first = !s.answers[task.Key]; first {
		s.answers[task.Key] = true
		if p.is("late") && kind == payment.Authorize {
			s.enqueue(delivery{at: time.Now().Add(s.cfg.Delay), kind: kind, task: task})
		} else {
			s.carryOut(kind, task, p)
		}
	}
	return p.answer(kind, task), first
}

// answer is the state to tell: of a refund whether it was carried out, of the others where the payment is.
func (p *Payment) answer(kind payment.Kind, task payment.Task) payment.State {
	if kind != payment.Refund {
		return p.State
	}
	if p.State != payment.Captured && p.State != payment.Refunded {
		return payment.Failed
	}
	return payment.Refunded
}

// carryOut moves the payment and tells it by an event.
func (s *Sandbox) carryOut(kind payment.Kind, task payment.Task, p *Payment) {
	state := p.State
	switch {
	case kind == payment.Authorize && state == payment.Pending && (p.is("decline") || p.strange()):
		p.State = payment.Failed
	case kind == payment.Authorize && state == payment.Pending:
		p.State = payment.Authorized
		p.Authorized++
	case kind == payment.Capture && state == payment.Authorized:
		p.State = payment.Captured
		p.Captured++
	case kind == payment.Void && (state == payment.Pending || state == payment.Authorized):
		p.State = payment.Voided
		p.Voided++
	case kind == payment.Refund && state == payment.Captured && p.Refunded+task.Amount <= p.Amount:
		p.Refunded += task.Amount
		if p.Refunded == p.Amount {
			p.State = payment.Refunded
		}
	default:
		return
	}
	event := payment.Event{State: p.State, Reference: task.Reference, Key: task.Key, Amount: p.Amount, Currency: p.Currency}
	if kind == payment.Refund {
		event.State, event.Amount = payment.Refunded, task.Amount
	}
	s.announce(event, p)
}
