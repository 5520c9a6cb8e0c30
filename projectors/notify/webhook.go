package notify

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// The headers of a webhook: the event's id, and the signature of time and body.
const (
	HeaderNotification = "Freshet-Notification"
	HeaderTime         = "Freshet-Time"
	HeaderSignature    = "Freshet-Signature"
)

// minSecret is the fewest bytes that sign.
const minSecret = 16

// Webhook posts events to one address.
type Webhook struct {
	url, secret string
	client      *http.Client
}

// NewWebhook returns the channel that posts to the URL, signed with the secret. client may be nil.
func NewWebhook(address, secret string, client *http.Client) (*Webhook, error) {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, errors.New("the webhook's address isn't an http or https URL")
	}
	if len(secret) < minSecret {
		return nil, fmt.Errorf("the webhook's secret has fewer than %d characters", minSecret)
	}
	if client == nil {
		// Followed, a redirect would carry the event to an address that nobody configured.
		client = &http.Client{Timeout: 15 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	}
	return &Webhook{url: address, secret: secret, client: client}, nil
}

// Sign returns the signature of a body sent at a time, in seconds since 1970. The time is signed too, so that a receiver
// may refuse what is repeated to it long after.
func Sign(secret string, at int64, body []byte) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(strconv.AppendInt(nil, at, 10))
	mac.Write([]byte{'.'})
	mac.Write(body)
	return "sha256=" + hex.EncodeToString(mac.Sum(nil))
}

// Send posts the event. Any answer but a 2xx is tried again, since receivers are mended; 410 is for good.
func (w *Webhook) Send(ctx context.Context, e Event) error {
	body, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("encode event %s: %w", e.ID, err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.url, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("make the request for event %s: %w", e.ID, err)
	}
	now := time.Now().Unix()
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set(HeaderNotification, e.ID)
	req.Header.Set(HeaderTime, strconv.FormatInt(now, 10))
	req.Header.Set(HeaderSignature, Sign(w.secret, now, body))
	resp, err := w.client.Do(req)
	if err != nil {
		return fmt.Errorf("post event %s: %w", e.ID, err)
	}
	_ = resp.Body.Close() // only the status matters
	switch {
	case resp.StatusCode/100 == 2:
		return nil
	case resp.StatusCode == http.StatusGone:
		return fmt.Errorf("post event %s: %w: status 410", e.ID, ErrRefused)
	}
	return fmt.Errorf("post event %s: status %d", e.ID, resp.StatusCode)
}
