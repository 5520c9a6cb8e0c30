package notify_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	netmail "net/mail"
	"strconv"
	"strings"
	"testing"

	"github.com/emersion/go-smtp"

	"freshet/deploy/stack/stacktest"
	"freshet/projectors/notify"
)

// TestMail sends an event through a real mail server, from the row on.
func TestMail(t *testing.T) {
	p := stacktest.Mail(t)
	var asked []notify.Event
	m, err := notify.NewMail("smtp+plain://"+p.Addr(), "Shop <shop@example.org>", func(_ context.Context, e notify.Event) ([]notify.Recipient, error) {
		asked = append(asked, e)
		return []notify.Recipient{{Email: "anna@example.org", Lang: "it", Store: "Milano", Currency: "EUR", Decimals: 2}}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	s := sender(database(t), notify.Ways{"mail": m})
	handle(t, s, record("orders", "u", 1, orderRow(12, "paid")))
	send(t, s, 1)
	send(t, s, 0)
	letters := p.Letters()
	if len(letters) != 1 || len(asked) != 1 || asked[0].Order != 12 {
		t.Fatalf("%d letters, asked for %+v", len(letters), asked)
	}
	l := letters[0]
	msg, err := netmail.ReadMessage(strings.NewReader(l.Body))
	if err != nil {
		t.Fatal(err)
	}
	if l.From != "shop@example.org" || len(l.To) != 1 || l.To[0] != "anna@example.org" || msg.Header.Get("Message-Id") != "<order.12.paid@example.org>" ||
		msg.Header.Get("Auto-Submitted") != "auto-generated" || !strings.Contains(l.Body, "129.50 EUR") {
		t.Errorf("the letter is %+v", l)
	}
}

// TestMailThatIsRefused tells what may pass from what won't.
func TestMailThatIsRefused(t *testing.T) {
	p := stacktest.Mail(t)
	people := []notify.Recipient{{Email: "anna@example.org", Lang: "de"}}
	m, err := notify.NewMail("smtp+plain://"+p.Addr(), "shop@example.org", func(context.Context, notify.Event) ([]notify.Recipient, error) { return people, nil })
	if err != nil {
		t.Fatal(err)
	}
	e := notify.Event{ID: "order:1:paid", Kind: notify.OrderPaid, Order: 1, At: noon}
	p.Refuse(&smtp.SMTPError{Code: 451, Message: "later"})
	if err := m.Send(t.Context(), e); err == nil || errors.Is(err, notify.ErrRefused) {
		t.Errorf("greylisted: %v", err)
	}
	p.Refuse(&smtp.SMTPError{Code: 550, Message: "no such user"})
	if err := m.Send(t.Context(), e); !errors.Is(err, notify.ErrRefused) {
		t.Errorf("no such user: %v", err)
	}
	people[0].Email = "not an address"
	if err := m.Send(t.Context(), e); !errors.Is(err, notify.ErrRefused) {
		t.Errorf("not an address: %v", err)
	}
	people = nil
	if err := m.Send(t.Context(), e); !errors.Is(err, notify.ErrNobody) {
		t.Errorf("nobody: %v", err)
	}
	for _, bad := range []string{"", "localhost:25", "http://localhost"} {
		if _, err := notify.NewMail(bad, "shop@example.org", nil); err == nil {
			t.Errorf("the server %q is accepted", bad)
		}
	}
	if _, err := notify.NewMail("smtp://localhost", "nobody", nil); err == nil {
		t.Error("a sender that is no address is accepted")
	}
}

// TestMailToSeveral: nobody sees who else is told, and one that is refused keeps none of the others from theirs.
func TestMailToSeveral(t *testing.T) {
	p := stacktest.Mail(t)
	people := []notify.Recipient{{Email: "anna@example.org", Lang: "it"}, {Email: "not an address", Lang: "en"}, {Email: "bernd@example.org", Lang: "de"}}
	m, err := notify.NewMail("smtp+plain://"+p.Addr(), "shop@example.org", func(context.Context, notify.Event) ([]notify.Recipient, error) { return people, nil })
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Send(t.Context(), notify.Event{ID: "order:1:paid", Kind: notify.OrderPaid, Order: 1, At: noon}); !errors.Is(err, notify.ErrRefused) {
		t.Errorf("error %v", err)
	}
	letters := p.Letters()
	if len(letters) != 2 {
		t.Fatalf("%d letters", len(letters))
	}
	for i, address := range []string{"anna@example.org", "bernd@example.org"} {
		other := []string{"bernd", "anna"}[i]
		if l := letters[i]; len(l.To) != 1 || l.To[0] != address || strings.Contains(l.Body, other) {
			t.Errorf("letter %d: %+v", i, l)
		}
	}
}

// TestWebhook receives an event as a shop's system would, and checks its signature.
func TestWebhook(t *testing.T) {
	const secret = "a-secret-for-the-tests"
	status, got := http.StatusServiceUnavailable, []string{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		at, problem := strconv.ParseInt(r.Header.Get(notify.HeaderTime), 10, 64)
		if err != nil || problem != nil || r.Header.Get(notify.HeaderSignature) != notify.Sign(secret, at, body) {
			t.Errorf("signed %q: %s", r.Header.Get(notify.HeaderSignature), body)
		}
		got = append(got, r.Header.Get(notify.HeaderNotification))
		w.Header().Set("Location", "/elsewhere")
		w.WriteHeader(status)
	}))
	t.Cleanup(server.Close)
	hook, err := notify.NewWebhook(server.URL, secret, nil)
	if err != nil {
		t.Fatal(err)
	}
	e := notify.Event{ID: "shipment:3", Kind: notify.OrderShipped, Order: 1, At: noon}
	for _, code := range []int{503, 404, 302, 410, 204} {
		status = code
		err := hook.Send(t.Context(), e)
		if (err == nil) != (code == 204) || errors.Is(err, notify.ErrRefused) != (code == 410) {
			t.Errorf("answered %d: %v", code, err)
		}
	}
	if len(got) != 5 || got[4] != "shipment:3" {
		t.Errorf("received %v", got)
	}
	for _, bad := range [][2]string{{"ftp://x", secret}, {"x", secret}, {server.URL, "short"}} {
		if _, err := notify.NewWebhook(bad[0], bad[1], nil); err == nil {
			t.Errorf("%q is accepted", bad)
		}
	}
}
