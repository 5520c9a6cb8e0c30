package document_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"sync"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"freshet/deploy/stack/stacktest"
	"freshet/projectors/document"
)

// line is a TCP connection to the server that can be cut at any time, also after the server has applied what was sent and
// before its answer arrives.
type line struct {
	mu    sync.Mutex
	conns map[net.Conn]bool
}

func (l *line) cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for c := range l.conns {
		_ = c.Close() // its copiers report nothing: to be cut is its purpose
	}
	clear(l.conns)
}

func (l *line) keep(c net.Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.conns[c] = true
}

// dial listens on a port of its own and passes everything on to the server.
func (l *line) dial(t *testing.T, server string) string {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			near, err := listener.Accept()
			if err != nil {
				return
			}
			far, err := new(net.Dialer).DialContext(t.Context(), "tcp", server)
			if err != nil {
				_ = near.Close() // the client sees a cut connection, which is what this is about
				continue
			}
			l.keep(near)
			l.keep(far)
			for from, to := range map[net.Conn]net.Conn{near: far, far: near} {
				wg.Go(func() {
					_, _ = io.Copy(to, from) // ends when either side is cut
					_, _ = to.Close(), from.Close()
				})
			}
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		l.cut()
		wg.Wait()
	})
	return listener.Addr().String()
}

// TestCutConnections cuts all connections again and again while writers work: what Update has returned must be stored, and
// nothing twice.
func TestCutConnections(t *testing.T) {
	for _, plain := range []bool{false, true} {
		t.Run(fmt.Sprintf("plain=%t", plain), func(t *testing.T) { cutConnections(t, plain) })
	}
}

func cutConnections(t *testing.T, plain bool) {
	uri, name := stacktest.Mongo(t)
	address, err := url.Parse(uri)
	if err != nil {
		t.Fatal(err)
	}
	l := &line{conns: map[net.Conn]bool{}}
	direct := address.Host
	address.Host = l.dial(t, direct)
	client, err := mongo.Connect(options.Client().ApplyURI(address.String()))
	if err != nil {
		t.Fatal(err)
	}
	c := document.Open[int64, counter](client.Database(name), "counters", document.Config{Plain: plain})

	const writers, rounds = 4, 25
	ids := []int64{1, 2, 3, 4, 5}
	done := make(chan struct{})
	go func() {
		defer close(done)
		race(t, writers, rounds, func(int, int64) (*document.Collection[int64, counter], []int64) { return c, ids })
	}()
	cuts := 0
	for ticker := time.NewTicker(25 * time.Millisecond); ; {
		select {
		case <-ticker.C:
			cuts++
			if cuts <= 40 { // then let them finish
				l.cut()
			}
			continue
		case <-done:
			ticker.Stop()
		}
		break
	}
	t.Logf("%d cuts", min(cuts, 40))
	docs, err := c.Load(t.Context(), ids)
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range ids {
		if docs[id] == nil || docs[id].Rev != writers*rounds {
			t.Errorf("document %d after %d changes: %+v", id, writers*rounds, docs[id])
		}
	}
	if err := client.Disconnect(context.WithoutCancel(t.Context())); err != nil && !errors.Is(err, mongo.ErrClientDisconnected) {
		t.Error(err)
	}
}
