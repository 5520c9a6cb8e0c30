package notify

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/wneessen/go-mail"
)

// Recipient is who is told, in their language.
type Recipient struct {
	Email string
	Lang  string
	Store string // what the store is called
	// Currency is the order's; its amounts have so many Decimals.
	Currency string
	Decimals int
}

// Directory finds whom an event is for: the customer of its order, or the accounts of its seller. It is asked when the
// event is sent, so that no address lies on a topic or in a read model. Nobody is no error.
type Directory func(ctx context.Context, e Event) ([]Recipient, error)

// Mail sends events as e-mails.
type Mail struct {
	from    string
	domain  string
	options []mail.Option
	host    string
	to      Directory
}

// NewMail returns the channel that sends by the server of the URL: smtp:// demands STARTTLS, smtps:// speaks TLS from the
// start, smtp+plain:// none, which is for a relay on this machine. Nothing is dialled yet.
func NewMail(address, from string, to Directory) (*Mail, error) {
	u, err := url.Parse(address)
	if err != nil || u.Hostname() == "" {
		return nil, errors.New("the mail server's address isn't smtp://user:password@host:port")
	}
	m := &Mail{from: from, host: u.Hostname(), to: to, options: []mail.Option{mail.WithTimeout(30 * time.Second)}}
	switch u.Scheme {
	case "smtp":
		m.options = append(m.options, mail.WithTLSPortPolicy(mail.TLSMandatory))
	case "smtps":
		m.options = append(m.options, mail.WithSSLPort(false))
	case "smtp+plain":
		m.options = append(m.options, mail.WithTLSPortPolicy(mail.NoTLS))
	default:
		return nil, fmt.Errorf("the mail server's address has the scheme %q; want smtp, smtps or smtp+plain", u.Scheme)
	}
	if u.Port() != "" {
		port, err := strconv.Atoi(u.Port())
		if err != nil {
			return nil, fmt.Errorf("the mail server's port %q isn't a number", u.Port())
		}
		m.options = append(m.options, mail.WithPort(port))
	}
	if u.User != nil {
		password, _ := u.User.Password()
		m.options = append(m.options, mail.WithSMTPAuth(mail.SMTPAuthAutoDiscover), mail.WithUsername(u.User.Username()), mail.WithPassword(password))
	}
	if err := mail.NewMsg().From(from); err != nil {
		return nil, fmt.Errorf("the sender %q isn't an e-mail address", from)
	}
	_, domain, _ := strings.Cut(from, "@")
	m.domain = strings.TrimSuffix(domain, ">")
	return m, nil
}

// Send sends the event to all that it is for, each in a message of their own: nobody sees who else is told. If one fails for
// now, all are sent again; one that is refused keeps none of the others from theirs.
func (m *Mail) Send(ctx context.Context, e Event) error {
	people, err := m.to(ctx, e)
	if err != nil {
		return fmt.Errorf("find whom to tell of %s: %w", e.ID, err)
	}
	if len(people) == 0 {
		return fmt.Errorf("%w of %s", ErrNobody, e.ID)
	}
	var refused, failed []error
	for _, p := range people {
		switch err := m.sendTo(ctx, e, p); {
		case errors.Is(err, ErrRefused):
			refused = append(refused, err)
		case err != nil:
			failed = append(failed, err)
		}
	}
	if len(failed) > 0 { // not to be taken for a refusal, which is for good
		return errors.Join(failed...)
	}
	return errors.Join(refused...)
}

func (m *Mail) sendTo(ctx context.Context, e Event, p Recipient) error {
	msg, err := m.message(e, p)
	if err != nil {
		return err
	}
	client, err := mail.NewClient(m.host, m.options...)
	if err != nil {
		return fmt.Errorf("set the mail client up: %w", err)
	}
	err = client.DialAndSendWithContext(ctx, msg)
	refused := new(mail.SendError)
	if errors.As(err, &refused) && refused.ErrorCode() >= 500 {
		return fmt.Errorf("mail %s: %w: %w", e.ID, ErrRefused, err)
	}
	if err != nil {
		return fmt.Errorf("mail %s: %w", e.ID, err)
	}
	return nil
}

func (m *Mail) message(e Event, p Recipient) (*mail.Msg, error) {
	subject, body, err := render(e, p)
	if err != nil {
		return nil, err
	}
	msg := mail.NewMsg()
	if err := msg.From(m.from); err != nil {
		return nil, fmt.Errorf("mail %s: %w: sender: %w", e.ID, ErrRefused, err)
	}
	if err := msg.To(p.Email); err != nil {
		return nil, fmt.Errorf("mail %s: %w: recipient: %w", e.ID, ErrRefused, err)
	}
	msg.Subject(subject)
	msg.SetBodyString(mail.TypeTextPlain, body)
	// The same at every attempt: who gets it twice can tell, and many mail servers do.
	msg.SetMessageIDWithValue(messageID(e.ID) + "@" + m.domain)
	msg.SetDateWithValue(e.At)
	msg.SetGenHeader("Auto-Submitted", "auto-generated")
	return msg, nil
}

// messageID leaves what a Message-ID may not hold out of an event's id.
func messageID(id string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '-', r == '_':
			return r
		}
		return '.'
	}, id)
}
