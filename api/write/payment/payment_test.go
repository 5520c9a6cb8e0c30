package payment_test

import (
	"testing"

	"pgregory.net/rapid"

	"freshet/api/write/payment"
)

var states = []payment.State{payment.Pending, payment.Authorized, payment.Voided, payment.Failed, payment.Captured, payment.Refunded}

// TestAnyOrderAndRepetitionEndsInOneState: knowledge is joined, so how it came doesn't matter.
func TestAnyOrderAndRepetitionEndsInOneState(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		told := rapid.SliceOfN(rapid.SampledFrom(states), 1, 12).Draw(t, "told")
		other := append(rapid.Permutation(told).Draw(t, "other"), rapid.SliceOf(rapid.SampledFrom(told)).Draw(t, "again")...)
		if a, b := join(told), join(other); a != b {
			t.Fatalf("%v ends as %s, %v as %s", told, a, other, b)
		}
	})
}

func join(told []payment.State) payment.State {
	known := payment.Pending
	for _, s := range told {
		known = known.Join(s)
	}
	return known
}

func TestMoneyTakenIsNeverForgotten(t *testing.T) {
	for _, s := range states {
		if got := payment.Captured.Join(s); got != payment.Captured && got != payment.Refunded {
			t.Errorf("captured and %s is %s", s, got)
		}
	}
	if got := payment.Authorized.Join("made up"); got != payment.Authorized {
		t.Errorf("a state that isn't one moved a payment to %s", got)
	}
}

func TestSignature(t *testing.T) {
	body := []byte(`{"id":"evt_1"}`)
	signature := payment.Sign("the-secret-of-the-tests", body)
	for name, tt := range map[string]struct {
		secrets   []string
		body      []byte
		signature string
		want      bool
	}{
		"right":          {[]string{"the-secret-of-the-tests"}, body, signature, true},
		"an old secret":  {[]string{"the-next-secret-of-them", "the-secret-of-the-tests"}, body, signature, true},
		"another secret": {[]string{"the-next-secret-of-them"}, body, signature, false},
		"another body":   {[]string{"the-secret-of-the-tests"}, []byte(`{"id":"evt_2"}`), signature, false},
		"none":           {[]string{"the-secret-of-the-tests"}, body, "", false},
		"no secret":      {nil, body, signature, false},
	} {
		if got := payment.Signed(tt.secrets, tt.body, tt.signature); got != tt.want {
			t.Errorf("%s: %v", name, got)
		}
	}
	for _, secrets := range [][]string{nil, {""}, {"short"}} {
		if payment.CheckSecrets(secrets) == nil {
			t.Errorf("the secrets %q are accepted", secrets)
		}
	}
}
