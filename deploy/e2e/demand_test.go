package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"freshet/api/admin"
	"freshet/api/read"
	"freshet/projectors/demand"
)

// counter is a shop whose shoppers' searches are counted.
type counter struct {
	*shop
	demand           *process
	readers, desk    string // addresses of the read and the admin API
	product          int64
	found, missed    string // a text that finds the product, and one that finds nothing
	searches, clicks int64  // for found
}

const deskToken = "the-token-of-the-desk"

func newCounter(ctx context.Context, t *testing.T) *counter {
	t.Helper()
	s := newShop(t, 1, 30, 8)
	c := &counter{shop: s, missed: "zwölfzylinder", readers: freeAddress(t), desk: freeAddress(t)}
	s.env = append(s.env, "FRESHET_READ_LISTEN="+c.readers, "FRESHET_ADMIN_LISTEN="+c.desk, "FRESHET_ADMIN_TOKEN="+deskToken)
	c.demand = s.process("demand", "project", "demand")
	// Each shopper comes from an address of his own.
	servers := []*process{s.process("read", "serve", "read", "--trusted-proxies", "127.0.0.0/8"), s.process("admin", "serve", "admin")}
	for _, p := range append(s.pipeline(), servers...) {
		p.start()
	}
	s.follow(ctx)
	s.mustCatchUp(ctx)
	for _, address := range []string{c.readers, c.desk} {
		awaitReady(ctx, t, "http://"+address)
	}
	c.product = s.aVisibleProduct(ctx)
	if err := s.connect().QueryRow(ctx, "select title from product_texts where product_id = $1 and lang = 'it'", c.product).Scan(&c.found); err != nil {
		t.Fatalf("read what to search for: %v", err)
	}
	return c
}

// TestDemandIsCountedOnce has shoppers search, in vain too, and click through the read API, while the projector that counts is
// killed between its documents and its offsets: it counts the same events again, and its documents must not.
func TestDemandIsCountedOnce(t *testing.T) {
	ctx := deadline(t, 10*time.Minute)
	c := newCounter(ctx, t)
	if texts := c.suggested(ctx); len(texts) > 0 {
		t.Fatalf("%q is suggested before anybody has searched", texts)
	}
	c.demand.start("FRESHET_TEST_FAILPOINT=runtime-after-handle-before-commit")
	for shopper := range 6 {
		c.visit(ctx, shopper, shopper < 2)
	}
	c.mustDie(ctx, c.demand, "runtime-after-handle-before-commit")
	if counted := c.counted(ctx, ""); len(counted) == 0 {
		t.Error("the projector died before it had counted anything")
	}
	for shopper := range 3 {
		c.visit(ctx, 6+shopper, true)
	}
	c.demand.start()
	c.await(ctx, "everything is counted", func() bool {
		q := c.counted(ctx, "")
		return q[demand.Normal(c.found)].Searches >= c.searches && q[demand.Normal(c.found)].Clicks >= c.clicks && q[c.missed].Searches >= c.searches
	})
	// What was counted twice shows once all that was published before this is counted.
	c.search(ctx, 100, "the last", 0)
	c.click(ctx, 100, "the last")
	c.await(ctx, "the last is counted", func() bool { return c.counted(ctx, "")["the last"].Clicks == 1 })
	c.judge(ctx)
	c.await(ctx, "the popular text is suggested", func() bool { return slices.Contains(c.suggested(ctx), demand.Normal(c.found)) })
	if texts := c.suggested(ctx); len(texts) != 1 {
		t.Errorf("%q are suggested", texts)
	}
}

// visit is a shopper who searches in vain, then finds something, and may click it.
func (c *counter) visit(ctx context.Context, shopper int, clicks bool) {
	c.search(ctx, shopper, c.missed, 0)
	if c.search(ctx, shopper, c.found, 1); clicks {
		c.click(ctx, shopper, c.found)
		c.clicks++
	}
	c.searches++
}

// judge compares the lists of the back office with what was done.
func (c *counter) judge(ctx context.Context) {
	c.t.Helper()
	all, nothing := c.counted(ctx, ""), c.counted(ctx, "&nothing=true")
	found := all[demand.Normal(c.found)]
	if found.Searches != c.searches || found.Clicks != c.clicks || found.Nothing != 0 || found.Hits < 1 {
		c.t.Errorf("%q: %+v, want %d searches and %d clicks", c.found, found, c.searches, c.clicks)
	}
	missed := nothing[c.missed]
	if missed.Searches != c.searches || missed.Nothing != c.searches || missed.Clicks != 0 || missed.Hits != 0 {
		c.t.Errorf("%q: %+v, want %d searches in vain", c.missed, missed, c.searches)
	}
	if _, listed := nothing[found.Text]; listed || len(all) != 3 || len(nothing) != 2 {
		c.t.Errorf("%d texts: %v; in vain %v", len(all), all, nothing)
	}
}

func (c *counter) search(ctx context.Context, shopper int, text string, least int64) {
	c.t.Helper()
	var page read.SearchPage
	c.ask(ctx, http.MethodGet, "http://"+c.readers+"/api/v1/stores/1/search?lang=it&q="+url.QueryEscape(text), "", shopper, &page)
	if page.Total < least || least == 0 && page.Total > 0 || page.Fuzzy {
		c.t.Fatalf("%q finds %d, fuzzy %t", text, page.Total, page.Fuzzy)
	}
}

func (c *counter) click(ctx context.Context, shopper int, text string) {
	c.t.Helper()
	var taken read.Clicked
	report := fmt.Sprintf(`{"q":%q,"lang":"it","product":%d}`, text, c.product)
	if c.ask(ctx, http.MethodPost, "http://"+c.readers+"/api/v1/stores/1/clicks", report, shopper, &taken); !taken.Taken {
		c.t.Fatal("the click was not taken")
	}
}

// suggested are the popular texts that begin like what is found.
func (c *counter) suggested(ctx context.Context) []string {
	c.t.Helper()
	var page read.Suggestions
	typed := string([]rune(c.found)[:4])
	c.ask(ctx, http.MethodGet, "http://"+c.readers+"/api/v1/stores/1/suggest?lang=it&q="+url.QueryEscape(typed), "", 0, &page)
	return page.Queries
}

// counted is the list of the back office by text.
func (c *counter) counted(ctx context.Context, and string) map[string]admin.Searched {
	c.t.Helper()
	var list admin.SearchList
	c.ask(ctx, http.MethodGet, "http://"+c.desk+"/admin/v1/stores/1/searches?lang=it"+and, "", 0, &list)
	texts := map[string]admin.Searched{}
	for _, s := range list.Searches {
		texts[s.Text] = s
	}
	return texts
}

// ask makes a shopper's request and reads the answer. A server that was too slow is asked again: nothing of one shopper counts twice.
func (c *counter) ask(ctx context.Context, method, address, report string, shopper int, answer any) {
	c.t.Helper()
	for {
		status, raw := c.send(ctx, method, address, report, shopper)
		if status == http.StatusServiceUnavailable && ctx.Err() == nil {
			select {
			case <-ctx.Done():
			case <-time.After(100 * time.Millisecond): // it says Retry-After
			}
			continue
		}
		if status != http.StatusOK || json.Unmarshal(raw, answer) != nil {
			c.t.Fatalf("%s %s: %d %s", method, address, status, raw)
		}
		return
	}
}

func (c *counter) send(ctx context.Context, method, address, report string, shopper int) (status int, raw []byte) {
	c.t.Helper()
	req, err := http.NewRequestWithContext(ctx, method, address, strings.NewReader(report))
	if err != nil {
		c.t.Fatal(err)
	}
	if req.URL.Host == c.desk {
		req.Header.Set("Authorization", "Bearer "+deskToken)
	}
	req.Header.Set("X-Forwarded-For", fmt.Sprint("203.0.113.", shopper))
	req.Header.Set("Content-Type", "text/plain")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }() // read to its end
	if raw, err = io.ReadAll(resp.Body); err != nil {
		c.t.Fatalf("%s %s: %v", method, address, err)
	}
	return resp.StatusCode, raw
}

// await looks until it is so.
func (c *counter) await(ctx context.Context, what string, so func() bool) {
	c.t.Helper()
	for !so() {
		select {
		case <-ctx.Done():
			c.t.Fatalf("waited for %s: %v; counted %+v", what, ctx.Err(), c.counted(context.WithoutCancel(ctx), ""))
		case <-time.After(100 * time.Millisecond):
		}
	}
}
