package e2e

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"
)

// TestEveryDocumentSurvivesItsServers lets the servers behind the read models fail while the shop goes on: MongoDB's answers
// are lost after it has applied what was written, it is away, Elasticsearch turns requests away for load and then takes no
// writes at all, and every projector is stopped for so long that others take its partitions over, and wakes. A reader tails
// all documents meanwhile.
func TestEveryDocumentSurvivesItsServers(t *testing.T) {
	ctx := deadline(t, 10*time.Minute)
	s := newShop(t, 2, 60, 8)
	mongo := s.throughProxy(s.mongo)
	var refuse atomic.Bool
	elastic := s.throughGate(&refuse)
	for _, p := range s.pipeline() {
		p.env = append(p.env, "FRESHET_MONGO_URL="+mongo.url, "FRESHET_ELASTIC_URL="+elastic)
		p.start()
	}
	s.follow(ctx)
	s.mustCatchUp(ctx)
	stop := s.tail(ctx)
	n := newNemesis(t, s.postgres, *seedFlag, 3)
	for _, fault := range []struct {
		name string
		do   func(meanwhile func())
	}{
		{"MongoDB's answers are lost", func(meanwhile func()) {
			for range 5 {
				heal := mongo.spoil("downstream", "timeout", `{"timeout":50}`)
				meanwhile()
				heal()
			}
		}},
		{"MongoDB is away", func(meanwhile func()) {
			mongo.proxy.Stop()
			meanwhile()
			mongo.start()
		}},
		{"Elasticsearch is overloaded", func(meanwhile func()) {
			refuse.Store(true)
			meanwhile()
			refuse.Store(false)
		}},
		{"the indices take no writes", func(meanwhile func()) {
			s.block(ctx, true)
			meanwhile()
			s.block(ctx, false)
		}},
		{"zombies wake", s.zombies(ctx)},
	} {
		fault.do(func() { n.run(ctx, 100) })
		n.run(ctx, 100)
		s.mustAgree(ctx, "after: "+fault.name)
	}
	stop()
	t.Logf("seed %d: %s", *seedFlag, n.summary())
}

// zombies stops the projectors, lets others take over, and lets the stopped ones go on, who believe that the stores are
// still theirs.
func (s *shop) zombies(ctx context.Context) func(func()) {
	return func(meanwhile func()) {
		old := []*process{s.fold, s.tree, s.index}
		var heirs []*process
		for _, p := range old {
			heir := s.process(p.name+"-heir", p.args...)
			heir.env = p.env
			heir.start()
			heirs = append(heirs, heir)
		}
		meanwhile() // both work, each on its partitions
		for _, p := range old {
			p.signal(syscall.SIGSTOP)
		}
		meanwhile()
		s.mustCatchUp(ctx) // the heirs alone: they have all partitions
		for _, p := range old {
			p.signal(syscall.SIGCONT)
		}
		meanwhile()
		for _, p := range heirs {
			p.kill()
		}
	}
}

func (p *process) signal(sig syscall.Signal) {
	p.t.Helper()
	cmd, _ := p.current()
	if err := cmd.Process.Signal(sig); err != nil {
		p.t.Fatalf("send %v to %s: %v", sig, p.name, err)
	}
}

// block makes the indices refuse writes, as Elasticsearch itself does when its disk runs full, or takes them again.
func (s *shop) block(ctx context.Context, on bool) {
	s.t.Helper()
	settings := fmt.Sprintf(`{"index.blocks.read_only_allow_delete":%t,"index.blocks.write":%t}`, on, on)
	if !on {
		settings = `{"index.blocks.read_only_allow_delete":null,"index.blocks.write":null}`
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, s.elastic+"/"+s.prefix+"-*/_settings", strings.NewReader(settings))
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	if answer := body(s.t, req); !strings.Contains(answer, `"acknowledged":true`) {
		s.t.Fatalf("set the block to %t: %s", on, answer)
	}
}

// throughGate returns the address of a way to Elasticsearch that turns away two of three writes with 429 while refuse is set.
func (s *shop) throughGate(refuse *atomic.Bool) string {
	s.t.Helper()
	target, err := url.Parse(s.elastic)
	if err != nil {
		s.t.Fatal(err)
	}
	var writes atomic.Int64
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) }}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if refuse.Load() && strings.HasPrefix(r.URL.Path, "/_bulk") && writes.Add(1)%3 != 0 {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusTooManyRequests)
			_, _ = w.Write([]byte(`{"error":{"type":"es_rejected_execution_exception","reason":"the test says so"},"status":429}`))
			return
		}
		proxy.ServeHTTP(w, r)
	}))
	s.t.Cleanup(server.Close)
	return server.URL
}

// link is a way to MongoDB that can be spoilt.
type link struct {
	t     testing.TB
	proxy *toxiproxy.Proxy
	url   string
}

// throughProxy returns a way to the server of a URL.
func (s *shop) throughProxy(server string) *link {
	s.t.Helper()
	u, err := url.Parse(server)
	if err != nil {
		s.t.Fatal(err)
	}
	proxies := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
	l := &link{t: s.t, proxy: toxiproxy.NewProxy(proxies, "mongo", "127.0.0.1:0", u.Host)}
	l.start()
	s.t.Cleanup(l.proxy.Stop)
	u.Host = l.proxy.Listen
	l.url = u.String()
	return l
}

func (l *link) start() {
	l.t.Helper()
	if err := l.proxy.Start(); err != nil {
		l.t.Fatalf("start the proxy: %v", err)
	}
}

// spoil adds a toxic to one direction and returns what takes it away.
func (l *link) spoil(stream, kind, attributes string) (heal func()) {
	l.t.Helper()
	toxic := bytes.NewBufferString(fmt.Sprintf(`{"name":%q,"type":%q,"stream":%q,"attributes":%s}`, kind, kind, stream, attributes))
	if _, err := l.proxy.Toxics.AddToxicJson(toxic); err != nil {
		l.t.Fatalf("add a toxic: %v", err)
	}
	return func() { l.proxy.Toxics.ResetToxics(context.Background()) }
}
