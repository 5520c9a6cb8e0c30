package write_test

import (
	"fmt"
	"strings"
	"testing"

	"freshet/api"
	"freshet/api/auth"
	"freshet/api/write"
)

const carla = `{"email":"Carla@Example.org","password":"correct horse"`

func (s *shop) signIn(email, password string) reply {
	s.t.Helper()
	return s.request("POST", "/api/v1/sessions", fmt.Sprintf(`{"email":%q,"password":%q}`, email, password), anyone...)
}

func refreshBody(token string) string { return fmt.Sprintf(`{"refresh_token":%q}`, token) }

func TestSignUpSignInAndBuy(t *testing.T) {
	s := newShop(t)
	var account write.Account
	s.want(s.request("POST", "/api/v1/accounts", carla+`,"name":"Carla","lang":"it"}`, anyone...), 201).decode(t, &account)
	if account.ID != 3 || account.Role != auth.Customer || s.number(`select id from customers where email = 'Carla@Example.org'`) != account.ID {
		t.Errorf("the account %+v isn't the customer", account)
	}
	s.want(s.request("POST", "/api/v1/accounts", strings.Replace(carla, "Carla", "carla", 1)+`}`, anyone...), 409)
	for name, r := range map[string]reply{
		"a wrong password": s.signIn("carla@example.org", "correct house"),
		"nobody":           s.signIn("nobody@example.org", "correct horse"),
		"no account":       s.signIn("anna@example.org", "correct horse"),
	} {
		if r.status != 401 {
			t.Errorf("%s: %d %s", name, r.status, r.body)
		}
	}
	var session write.Session
	s.want(s.signIn(" carla@example.org ", "correct horse"), 200).decode(t, &session)
	who := []string{"Authorization", "Bearer " + session.Access}
	if o := s.buy(who, "k", "succeed"); o.CustomerID != account.ID {
		t.Errorf("the order is %d's", o.CustomerID)
	}
	var digest string
	if err := s.pool.QueryRow(t.Context(), `select password from accounts`).Scan(&digest); err != nil || !strings.HasPrefix(digest, "$argon2id$v=19$m=19456,t=2,p=1$") {
		t.Errorf("the password is kept as %s (%v)", digest, err)
	}
	s.exec(`update accounts set active = false`)
	if r := s.signIn("carla@example.org", "correct horse"); r.status != 401 {
		t.Errorf("a closed account: %d", r.status)
	}
	s.want(s.request("POST", "/api/v1/sessions/refresh", refreshBody(session.Refresh), anyone...), 401)
}

// TestARefreshTokenIsGoodOnce: the second use ends the session for both, the thief and the robbed.
func TestARefreshTokenIsGoodOnce(t *testing.T) {
	s := newShop(t)
	s.want(s.request("POST", "/api/v1/accounts", carla+`}`, anyone...), 201)
	var first, second write.Session
	s.want(s.signIn("carla@example.org", "correct horse"), 200).decode(t, &first)
	s.want(s.request("POST", "/api/v1/sessions/refresh", refreshBody(first.Refresh), anyone...), 200).decode(t, &second)
	s.want(s.request("GET", theCart, "", "Authorization", "Bearer "+second.Access), 200)
	s.want(s.request("POST", "/api/v1/sessions/refresh", refreshBody(first.Refresh), anyone...), 401)
	s.want(s.request("POST", "/api/v1/sessions/refresh", refreshBody(second.Refresh), anyone...), 401)
	var other write.Session
	s.want(s.signIn("carla@example.org", "correct horse"), 200).decode(t, &other)
	statuses := s.gather(8, func(int) (reply, error) {
		return s.try("POST", "/api/v1/sessions/refresh", refreshBody(other.Refresh), anyone...)
	})
	if statuses[200] != 1 || statuses[401] != 7 {
		t.Errorf("one token eight times at once: %v", statuses)
	}
	s.want(s.signIn("carla@example.org", "correct horse"), 200).decode(t, &other)
	s.want(s.request("POST", "/api/v1/sessions/end", refreshBody(other.Refresh), anyone...), 204)
	s.want(s.request("POST", "/api/v1/sessions/refresh", refreshBody(other.Refresh), anyone...), 401)
	if n := s.number(`select count(*) from sessions`); n != 0 {
		t.Errorf("%d tokens are left of sessions that are over", n)
	}
}

func TestStaffIsMadeByTheShopAlone(t *testing.T) {
	s := newShop(t)
	for lang, want := range map[string]int{"e ": 422, "pt": 422, "it": 201} {
		s.want(s.request("POST", "/api/v1/accounts", fmt.Sprintf(`{"email":"%d@example.org","password":"0123456789","lang":%q}`, want, lang), anyone...), want)
	}
	for body, want := range map[string]int{
		carla + `,"role":"support"}`:                  403,
		carla + `,"role":"seller","seller_id":1}`:     403,
		carla + `,"role":"root"}`:                     422,
		carla + `,"role":"seller"}`:                   422,
		`{"email":"a@b.org","password":"short"}`:      422,
		`{"email":"no mail","password":"0123456789"}`: 422,
	} {
		if r := s.request("POST", "/api/v1/accounts", body, anyone...); r.status != want {
			t.Errorf("anyone with %s: %d %s", body, r.status, r.body)
		}
	}
	s.want(s.request("POST", "/api/v1/accounts", carla+`,"role":"support"}`), 201)
	s.want(s.request("POST", "/api/v1/accounts", carla+`,"role":"seller","seller_id":1}`), 409)
	s.want(s.request("POST", "/api/v1/accounts", `{"email":"s@example.org","password":"0123456789","role":"seller","seller_id":99}`), 422)
	s.want(s.request("POST", "/api/v1/accounts", carla+`}`, s.anna()...), 403)
	if n := s.number(`select count(*) from customers`); n != 3 {
		t.Errorf("staff is among the %d customers", n)
	}
}

// TestWhoIsRefusedIsToldWhy: a wrong password or a used token isn't the lack of a bearer token, nor is a wrong signature.
func TestWhoIsRefusedIsToldWhy(t *testing.T) {
	s := newShop(t)
	for kind, r := range map[api.Kind]reply{
		api.SignIn:       s.signIn("nobody@example.org", "correct house"),
		api.Signature:    s.request("POST", "/api/v1/payments/sandbox/events", `{}`, anyone...),
		api.Unauthorized: s.request("POST", "/api/v1/checkout", `{}`, anyone...),
	} {
		var p api.Problem
		s.want(r, 401).decode(t, &p)
		if p.Type != "urn:problem-type:freshet:"+string(kind) || kind != api.Unauthorized && strings.Contains(p.Title, "bearer") || r.header.Get("WWW-Authenticate") == "" {
			t.Errorf("%s: %+v", kind, p)
		}
	}
	var p api.Problem
	s.want(s.request("POST", "/api/v1/sessions/refresh", refreshBody(strings.Repeat("a", 43)), anyone...), 401).decode(t, &p)
	if p.Title != "The sign-in failed" {
		t.Errorf("a bad refresh token: %+v", p)
	}
	for _, body := range []string{`{"email":"no mail","password":"0123456789"}`, `{"email":"a@b.org","password":"0123456789","lang":"xx"}`} {
		if r := s.want(s.request("POST", "/api/v1/accounts", body, anyone...), 422); strings.Contains(string(r.body), `[^`) || strings.Contains(string(r.body), `[de`) {
			t.Errorf("the answer isn't in words: %s", r.body)
		}
	}
}

func TestAnAddressIsTriedSoOften(t *testing.T) {
	s := newShop(t)
	statuses := map[int]int{}
	for range 12 {
		statuses[s.signIn("carla@example.org", "correct house").status]++
	}
	if statuses[401] < 10 || statuses[429] < 1 {
		t.Errorf("twelve guesses at once: %v", statuses)
	}
	if r := s.signIn("anna@example.org", "correct house"); r.status != 401 {
		t.Errorf("another address: %d", r.status)
	}
}
