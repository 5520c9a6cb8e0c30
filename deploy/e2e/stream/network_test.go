package stream

import (
	"context"
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"
)

// link is the network between ingest and one server.
type link struct {
	t     testing.TB
	proxy *toxiproxy.Proxy
}

// newLink reserves an address; connect leads it to a server.
func newLink(t testing.TB, name string) *link {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	server := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
	return &link{t: t, proxy: toxiproxy.NewProxy(server, name, address, "")}
}

func (l *link) address() string { return l.proxy.Listen }

func (l *link) port() int {
	l.t.Helper()
	address, err := net.ResolveTCPAddr("tcp", l.proxy.Listen)
	if err != nil {
		l.t.Fatal(err)
	}
	return address.Port
}

func (l *link) connect(upstream string) {
	l.t.Helper()
	l.proxy.Upstream = upstream
	l.restore()
	l.t.Cleanup(l.proxy.Stop)
}

// cut refuses and ends every connection.
func (l *link) cut() { l.proxy.Stop() }

func (l *link) restore() {
	l.t.Helper()
	if err := l.proxy.Start(); err != nil {
		l.t.Fatalf("start the proxy of %s: %v", l.proxy.Name, err)
	}
}

// spoil does something to the traffic in both directions until the returned function is called.
func (l *link) spoil(kind, attributes string) (heal func()) {
	l.t.Helper()
	for _, stream := range []string{"upstream", "downstream"} {
		toxic := fmt.Sprintf(`{"name":%q,"type":%q,"stream":%q,"attributes":%s}`, stream, kind, stream, attributes)
		if _, err := l.proxy.Toxics.AddToxicJson(strings.NewReader(toxic)); err != nil {
			l.t.Fatalf("add %s: %v", toxic, err)
		}
	}
	return func() { l.proxy.Toxics.ResetToxics(context.Background()) }
}
