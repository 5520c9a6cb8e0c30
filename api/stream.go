package api

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"github.com/gofiber/fiber/v2"
)

// Streamed says that the handler of a route reads the body itself, as it comes, by Stream. Every other body is read whole
// before the handler is called, up to the body limit.
func (s *Server) Streamed(method, path string) { s.streamed[Link{method, path}] = true }

// Stream returns the body of a request to a streamed route, at most limit bytes of it, and a context for as long as the
// request may take: receiving and carrying out much takes longer than the server's timeout.
func Stream(c *fiber.Ctx, limit int64, timeout time.Duration) (io.Reader, context.Context, context.CancelFunc, error) {
	if err := c.Context().Conn().SetReadDeadline(time.Now().Add(timeout)); err != nil {
		return nil, nil, nil, fmt.Errorf("give the body its time: %w", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	c.SetUserContext(ctx)
	body := c.Context().RequestBodyStream()
	if body == nil { // there was none, or the path was written in another way and it was read
		body = bytes.NewReader(c.Body())
	}
	return &bounded{in: body, left: limit}, ctx, cancel, nil
}

// body reads the body of a request whose handler wants it whole.
func (s *Server) body(c *fiber.Ctx) error {
	stream := c.Context().RequestBodyStream()
	if stream == nil || s.streamed[Link{c.Method(), c.Path()}] {
		return c.Next()
	}
	if c.Request().Header.ContentLength() > s.cfg.BodyLimit {
		return tooLarge()
	}
	body, err := io.ReadAll(&bounded{in: stream, left: int64(s.cfg.BodyLimit)})
	if err != nil {
		return err
	}
	c.Request().SetBodyRaw(body)
	return c.Next()
}

// closeUnread ends a connection on which a body was left unread: what is left of it must not be taken for the next request.
func closeUnread(c *fiber.Ctx) {
	if c.Request().IsBodyStream() {
		c.Context().SetConnectionClose()
	}
}

func tooLarge() error { return Errorf(TooLarge, "The body is larger than this server takes.") }

// bounded reads at most so much, and says of what goes wrong whose fault it is.
type bounded struct {
	in   io.Reader
	left int64
}

func (b *bounded) Read(p []byte) (int, error) {
	n, err := b.in.Read(p)
	b.left -= int64(n)
	if b.left < 0 {
		return 0, tooLarge()
	}
	var network net.Error
	switch {
	case err == nil, errors.Is(err, io.EOF):
	case errors.Is(err, os.ErrDeadlineExceeded), errors.As(err, &network) && network.Timeout():
		err = Errorf(Timeout, "The body did not arrive in time.")
	default:
		err = Errorf(Invalid, "The body ends before its end.").Because(err)
	}
	return n, err
}
