package stacktest

import (
	"errors"
	"io"
	"net"
	"slices"
	"sync"
	"testing"

	"github.com/emersion/go-smtp"
)

// MailServer speaks SMTP and keeps what it takes. Its methods may be called from any goroutine.
type MailServer struct {
	addr string

	mu      sync.Mutex
	refuse  error
	taken   func(Letter)
	letters []Letter
}

// Letter is a mail as it was taken.
type Letter struct {
	From string
	To   []string
	Body string // with its headers
}

// Mail starts a mail server and ends it when the test does.
func Mail(t testing.TB) *MailServer {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	m := &MailServer{addr: listener.Addr().String()}
	server := smtp.NewServer(m)
	server.Domain = "localhost"
	done := make(chan error, 1)
	go func() { done <- server.Serve(listener) }()
	t.Cleanup(func() {
		_ = server.Close() // its error is that of Serve
		if err := <-done; err != nil && !errors.Is(err, smtp.ErrServerClosed) && !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
	})
	return m
}

// Addr is host:port.
func (m *MailServer) Addr() string { return m.addr }

// Letters returns what was taken so far, in its order.
func (m *MailServer) Letters() []Letter {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.letters)
}

// Refuse has every recipient refused with err from now on; with nil it takes all again.
func (m *MailServer) Refuse(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.refuse = err
}

// OnTaken has f called from now on when a letter is kept and whoever sent it doesn't know that yet.
func (m *MailServer) OnTaken(f func(Letter)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.taken = f
}

func (m *MailServer) keep(l Letter) (taken func(Letter)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.letters = append(m.letters, l)
	return m.taken
}

// NewSession implements smtp.Backend.
func (m *MailServer) NewSession(*smtp.Conn) (smtp.Session, error) {
	return &mailSession{server: m}, nil
}

type mailSession struct {
	server *MailServer
	letter Letter
}

func (s *mailSession) Reset()        { s.letter = Letter{} }
func (s *mailSession) Logout() error { return nil }

func (s *mailSession) Mail(from string, _ *smtp.MailOptions) error {
	s.letter.From = from
	return nil
}

func (s *mailSession) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.server.mu.Lock()
	defer s.server.mu.Unlock()
	s.letter.To = append(s.letter.To, to)
	return s.server.refuse
}

func (s *mailSession) Data(r io.Reader) error {
	body, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	s.letter.Body = string(body)
	if taken := s.server.keep(s.letter); taken != nil {
		taken(s.letter)
	}
	return nil
}
