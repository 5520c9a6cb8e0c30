// Package payment is what the shop and a payment provider say to each other: the tasks it is given, the states it reports,
// the events it sends, and how those are signed.
//
// api/write gives tasks and takes events; package sandbox plays the provider. A provider may answer late, twice, in any
// order or not at all. Two things make that harmless. Every task has a key, under which the provider carries it out once
// however often it is given. And what is known of a payment is a State in a chain: knowledge is joined by taking the
// higher, so any order and any repetition of events end in the same state.
package payment

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
)

// State is what is known of a payment.
type State string

// The states, from the lowest. Money that was taken is a fact that no later word undoes: captured is above voided and
// failed, and a payment that is captured though it should not have been is refunded, not forgotten.
const (
	Pending    State = "pending"
	Authorized State = "authorized"
	Voided     State = "voided"
	Failed     State = "failed"
	Captured   State = "captured"
	Refunded   State = "refunded"
)

var chain = []State{Pending, Authorized, Voided, Failed, Captured, Refunded}

// Known says whether the state is one.
func (s State) Known() bool { return slices.Contains(chain, s) }

// Join is what is known when both are: the higher of the two.
func (s State) Join(other State) State {
	if slices.Index(chain, other) > slices.Index(chain, s) {
		return other
	}
	return s
}

// Kind is what a provider is asked to do.
type Kind string

// The kinds of task.
const (
	Authorize Kind = "authorize" // set the amount aside with the customer's bank
	Capture   Kind = "capture"   // take what is set aside
	Void      Kind = "void"      // give it free, or see to it that it is never set aside
	Refund    Kind = "refund"    // give back what was taken, or a part of it
)

// Task is one thing that a provider is asked to do.
type Task struct {
	// Key names the task: given again, it is not carried out again.
	Key string `json:"key"`
	// Reference names the payment. We choose it before the provider hears of it, so that a payment whose answer was lost
	// can be voided.
	Reference string `json:"reference"`
	// Method is the provider's own token for what the customer pays with; only Authorize has it.
	Method   string `json:"method,omitempty"`
	Amount   int64  `json:"amount"`
	Currency string `json:"currency"`
}

// Answer is what the provider says: the state that the payment is in after the task. Pending means that it will be told
// by an event, or to who asks again.
type Answer struct {
	State State `json:"state"`
}

// Event is what a provider tells on its own.
type Event struct {
	ID        string `json:"id"`
	State     State  `json:"state"`
	Reference string `json:"reference"`
	// Key is that of the task, which a refund needs: a payment may have several.
	Key      string `json:"key,omitempty"`
	Amount   int64  `json:"amount"`
	Currency string `json:"currency"`
}

// HeaderSignature carries an event's signature.
const HeaderSignature = "Freshet-Signature"

// minSecret is the fewest bytes that sign.
const minSecret = 16

// Sign returns the signature of a body. It has no time in it: a replayed event is harmless, as every event is taken once.
func Sign(secret string, body []byte) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(body)
	return "sha256=" + hex.EncodeToString(mac.Sum(nil))
}

// Signed says whether the signature is one of the secrets' for the body; several are for the time of a change.
func Signed(secrets []string, body []byte, signature string) bool {
	good := false
	for _, secret := range secrets {
		// Every one is compared, each in constant time, so that the time tells nothing.
		good = hmac.Equal([]byte(Sign(secret, body)), []byte(signature)) || good
	}
	return good
}

// CheckSecrets refuses secrets that can be guessed.
func CheckSecrets(secrets []string) error {
	if len(secrets) == 0 {
		return errors.New("events can't be believed without a secret")
	}
	for _, secret := range secrets {
		if len(secret) < minSecret {
			return fmt.Errorf("a secret for events has at least %d characters", minSecret)
		}
	}
	return nil
}
