package api

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gofiber/fiber/v2"
)

// TestNoBodyIsTakenForARequest sends, as a body that isn't read, what is a request by itself. On a connection that went on
// it would be carried out: by whom the proxy in front of the server meant it for.
func TestNoBodyIsTakenForARequest(t *testing.T) {
	s, _ := newServer(t, Config{BodyLimit: 1 << 10})
	var smuggled atomic.Int64
	s.Streamed("POST", "/stream")
	s.App().Post("/stream", func(c *fiber.Ctx) error {
		body, _, cancel, err := Stream(c, 1<<20, time.Minute)
		if err != nil {
			return err
		}
		defer cancel()
		if _, err := io.ReadFull(body, make([]byte, 10)); err != nil {
			return err
		}
		return Send(c, 200, "enough")
	})
	s.App().Get("/smuggled", func(c *fiber.Ctx) error {
		smuggled.Add(1)
		return Send(c, 200, "oh")
	})
	addr, stop := serve(t, s)
	inner := "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"
	// Longer than what the server reads ahead, so that the last of it is still in the connection.
	body := strings.Repeat("x", 20<<10) + strings.Repeat(inner, 100)
	for name, head := range map[string]string{
		"streamed":          "POST /stream HTTP/1.1",
		"too large":         "POST / HTTP/1.1",
		"no such route":     "POST /nowhere HTTP/1.1",
		"no such method":    "BREW / HTTP/1.1",
		"a read with words": "GET /smuggled?x HTTP/1.1",
	} {
		for _, form := range []string{
			fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(body), body),
			fmt.Sprintf("Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", len(body), body),
		} {
			before := smuggled.Load()
			answers := exchange(t, addr, head+"\r\nHost: a\r\n"+form)
			if answers != 1 || smuggled.Load() != before {
				t.Errorf("%s: %d answers, and the body was carried out %d times", name, answers, smuggled.Load()-before)
			}
		}
	}
	stop()
}

// exchange writes the bytes and counts the answers until the server hangs up.
func exchange(t *testing.T, addr, bytes string) (answers int) {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(30 * time.Second))
	written := make(chan struct{})
	go func() {
		defer close(written)
		_, _ = io.WriteString(conn, bytes) // the server may hang up before it has all
	}()
	in := bufio.NewReader(conn)
	for {
		resp, err := http.ReadResponse(in, nil)
		if err != nil {
			<-written
			return answers
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
		answers++
	}
}

func TestAStreamIsBounded(t *testing.T) {
	s, _ := newServer(t, Config{BodyLimit: 1 << 10})
	s.Streamed("POST", "/stream")
	s.App().Post("/stream", func(c *fiber.Ctx) error {
		body, _, cancel, err := Stream(c, 100<<10, time.Minute)
		if err != nil {
			return err
		}
		defer cancel()
		n, err := io.Copy(io.Discard, body)
		if err != nil {
			return err
		}
		return Send(c, 200, n)
	})
	addr, stop := serve(t, s)
	defer stop()
	for size, want := range map[int]int{0: 200, 100: 200, 5 << 10: 200, 100 << 10: 200, 100<<10 + 1: 413} {
		for _, chunked := range []bool{false, true} {
			var body io.Reader = strings.NewReader(strings.Repeat("x", size))
			if chunked {
				body = io.MultiReader(body) // of a length the client doesn't know
			}
			resp, err := http.Post("http://"+addr+"/stream", "text/plain", body)
			if err != nil {
				t.Fatal(err)
			}
			got, _ := io.ReadAll(resp.Body)
			_ = resp.Body.Close()
			if resp.StatusCode != want || want == 200 && strings.TrimSpace(string(got)) != fmt.Sprint(size) {
				t.Errorf("%d bytes, chunked %v: %d %s", size, chunked, resp.StatusCode, got)
			}
		}
	}
}
