package write

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/jackc/pgx/v5"

	"freshet/api"
	"freshet/api/auth"
)

// subjects are the kinds of thing that a note may be of.
var subjects = []string{"product", "store", "order", "shipment", "return", "account"}

// isSubject says whether there can be notes of what has the name.
func isSubject(name string) bool {
	kind, number, _ := strings.Cut(name, "/")
	id, err := strconv.ParseInt(number, 10, 64)
	return err == nil && id > 0 && slices.Contains(subjects, kind) && strconv.FormatInt(id, 10) == number
}

// note writes down what somebody who isn't a customer did, in the transaction that does it: there is no change of theirs
// without its record, and no record of a change that wasn't. before and after are documents, nil for what wasn't there.
func note(ctx context.Context, tx pgx.Tx, who caller, action, subject string, before, after any) error {
	if who.role == guest || who.role == auth.Customer {
		return nil
	}
	var account *int64
	if who.role != service {
		account = &who.account
	}
	documents := [2]*string{}
	for i, document := range []any{before, after} {
		if document == nil {
			continue
		}
		b, err := json.Marshal(document)
		if err != nil {
			return fmt.Errorf("encode what %s of %s is about: %w", action, subject, err)
		}
		text := string(b)
		documents[i] = &text
	}
	const insert = `insert into staff_actions (role, account_id, request_id, action, subject, before, after)
		values ($1, $2, $3, $4, $5, $6::jsonb, $7::jsonb)`
	if _, err := tx.Exec(ctx, insert, who.role, account, who.request, action, subject, documents[0], documents[1]); err != nil {
		return fmt.Errorf("note %s of %s: %w", action, subject, err)
	}
	return nil
}

// StaffActions is a page of what was done, the newest first.
type StaffActions struct {
	Actions []StaffAction `json:"actions"`
	// Next is what the next page is asked for by; 0 on the last.
	Next int64 `json:"next,omitempty"`
}

// StaffAction is one change by a seller, by staff or by a system of the shop.
type StaffAction struct {
	ID        int64           `json:"id"`
	At        time.Time       `json:"at"`
	Role      auth.Role       `json:"role"`
	AccountID *int64          `json:"account_id,omitempty"`
	RequestID string          `json:"request_id"`
	Action    string          `json:"action"`
	Subject   string          `json:"subject"`
	Before    json.RawMessage `json:"before,omitempty"`
	After     json.RawMessage `json:"after,omitempty"`
}

// actionsPage is which actions are asked for; nil is any.
type actionsPage struct {
	subject         *string
	account, before *int64
	limit           int64
}

func readActionsPage(c *fiber.Ctx) (p actionsPage, err error) {
	query, err := params(c, "subject", "account", "before", "limit")
	if err != nil {
		return p, err
	}
	if query.Has("subject") {
		about := query.Get("subject")
		if !isSubject(about) {
			return p, api.Errorf(api.Invalid, "This must be %s with its number, as in order/12.", api.List(subjects)).At("subject")
		}
		p.subject = &about
	}
	limit := int64(20)
	for name, field := range map[string]func(int64){
		"account": func(n int64) { p.account = &n }, "before": func(n int64) { p.before = &n }, "limit": func(n int64) { limit = n },
	} {
		if !query.Has(name) {
			continue
		}
		n, err := strconv.ParseInt(query.Get(name), 10, 64)
		if err != nil || n < 1 || name == "limit" && n > 100 {
			return p, api.Errorf(api.Invalid, "This must be a positive number, and a limit at most 100.").At(name)
		}
		field(n)
	}
	p.limit = limit
	return p, nil
}

// getActions shows support what was done to a product, a store, an order, and by whom.
func (s *Shop) getActions(c *fiber.Ctx) error {
	page, err := readActionsPage(c)
	if err != nil {
		return err
	}
	const query = `select id, at, role, account_id, request_id, action, subject, before, after from staff_actions
		where ($1::text is null or subject = $1) and ($2::bigint is null or account_id = $2) and ($3::bigint is null or id < $3)
		order by id desc limit $4`
	rows, err := s.pool.Query(c.UserContext(), query, page.subject, page.account, page.before, page.limit+1)
	if err != nil {
		return translate(fmt.Errorf("list staff actions: %w", err))
	}
	var list StaffActions
	if list.Actions, err = pgx.CollectRows(rows, pgx.RowToStructByPos[StaffAction]); err != nil {
		return translate(fmt.Errorf("list staff actions: %w", err))
	}
	if int64(len(list.Actions)) > page.limit { // one more tells that there is another page
		list.Actions = list.Actions[:page.limit]
		list.Next = list.Actions[page.limit-1].ID
	}
	for i := range list.Actions {
		list.Actions[i].At = list.Actions[i].At.UTC()
	}
	c.Set(fiber.HeaderCacheControl, "private, no-store")
	return api.Send(c, http.StatusOK, list)
}
