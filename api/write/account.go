package write

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/gofiber/fiber/v2"
	"github.com/jackc/pgx/v5"

	"freshet/api"
	"freshet/api/auth"
)

// mailPattern is not what an address may be, but what no address lacks.
var mailPattern = pattern{regexp.MustCompile(`^[^\s@]{1,64}@[^\s@]{1,185}\.[^\s@.]{2,}$`), "be an e-mail address such as name@example.org"}

// AccountRequest is the body of POST /accounts: a customer signs up. The shop's own systems make accounts of staff and of
// sellers too.
type AccountRequest struct {
	Email    string    `json:"email"`
	Password string    `json:"password"`
	Name     string    `json:"name,omitempty"`
	Lang     string    `json:"lang,omitempty"`
	Role     auth.Role `json:"role,omitempty"` // default customer
	SellerID *int64    `json:"seller_id,omitempty"`
}

// Account is the answer.
type Account struct {
	ID   int64     `json:"id"`
	Role auth.Role `json:"role"`
	// SellerID is whose products a seller's account keeps.
	SellerID *int64 `json:"seller_id,omitempty"`
}

// claims are what the account's tokens say.
func (a Account) claims() auth.Claims {
	c := auth.Claims{Subject: strconv.FormatInt(a.ID, 10), Role: a.Role}
	if a.SellerID != nil {
		c.Seller = *a.SellerID
	}
	return c
}

func (r *AccountRequest) check(who caller) error {
	var c check
	r.Email = strings.TrimSpace(r.Email)
	c.match("email", r.Email, mailPattern)
	c.password("password", r.Password)
	c.text("name", r.Name, 0, 200)
	if r.Lang == "" {
		r.Lang = "en"
	}
	if r.Role == "" {
		r.Role = auth.Customer
	}
	if !slices.Contains(languages, r.Lang) {
		c.bad("lang", "must be %s", api.List(languages))
	}
	switch r.Role {
	case auth.Customer, auth.Seller, auth.Support, auth.Data:
	default:
		c.bad("role", "must be customer, seller, support or data")
	}
	if (r.Role == auth.Seller) != (r.SellerID != nil) {
		c.bad("seller_id", "belongs to the accounts of sellers, which need it")
	}
	if err := c.err(); err != nil {
		return err
	}
	if r.Role != auth.Customer && who.role != service {
		return api.Errorf(api.Forbidden, "Only a system of the shop makes an account of the role %s.", r.Role).At("role")
	}
	return nil
}

// password wants enough of it, and not so much that digesting it is an attack.
func (c *check) password(field, value string) {
	if len(value) < 10 || len(value) > 200 {
		c.bad(field, "must have from 10 to 200 bytes")
	}
}

func (s *Shop) postAccount(c *fiber.Ctx) error {
	var r AccountRequest
	if err := api.Body(c, &r); err != nil {
		return err
	}
	who := callerOf(c)
	if err := r.check(who); err != nil {
		return err
	}
	ctx := c.UserContext()
	digest, err := s.hashing.hash(ctx, r.Password)
	if err != nil {
		return err
	}
	var a answer
	position, err := s.transact(ctx, func(tx *unit) error {
		id, err := makeAccount(ctx, tx, &r, digest)
		if err != nil {
			return err
		}
		account := Account{ID: id, Role: r.Role, SellerID: r.SellerID}
		if err := note(ctx, tx, who, "account.create", fmt.Sprintf("account/%d", id), nil, account); err != nil {
			return err
		}
		a, err = made(http.StatusCreated, id, account)
		return err
	})
	if err != nil {
		return err
	}
	return reply(c, a, position, "")
}

func makeAccount(ctx context.Context, tx pgx.Tx, r *AccountRequest, digest string) (id int64, err error) {
	// All roles have their ids from one sequence: an id names one account.
	if err := tx.QueryRow(ctx, `select nextval(pg_get_serial_sequence('customers', 'id'))`).Scan(&id); err != nil {
		return 0, fmt.Errorf("take an account's id: %w", err)
	}
	if r.Role == auth.Customer {
		const customer = `insert into customers (id, email, name, lang) values ($1, $2, $3, $4)`
		if _, err := tx.Exec(ctx, customer, id, r.Email, r.Name, r.Lang); err != nil {
			return 0, fmt.Errorf("insert customer %d: %w", id, err)
		}
	}
	const account = `insert into accounts (id, role, email, password, seller_id) values ($1, $2, $3, $4, $5)`
	if _, err := tx.Exec(ctx, account, id, r.Role, r.Email, digest, r.SellerID); err != nil {
		return 0, fmt.Errorf("insert account %d: %w", id, err)
	}
	return id, nil
}

// accountBy finds who signs in; a zero Account when there is none.
func (s *Shop) accountBy(ctx context.Context, email string) (a Account, digest string, err error) {
	const query = `select id, role, seller_id, password from accounts where lower(email) = lower($1) and active`
	err = s.pool.QueryRow(ctx, query, strings.TrimSpace(email)).Scan(&a.ID, &a.Role, &a.SellerID, &digest)
	if errors.Is(err, pgx.ErrNoRows) {
		return Account{}, "", nil
	}
	if err != nil {
		return Account{}, "", translate(fmt.Errorf("find an account: %w", err))
	}
	return a, digest, nil
}
