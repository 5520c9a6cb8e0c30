package write

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/jackc/pgx/v5"

	"freshet/api"
	"freshet/api/auth"
)

// headerCart carries the token of a guest's carts. Who has it has them: it is as long as a key, and we keep its digest.
const headerCart = "Freshet-Cart"

// guestToken is how many bytes a guest's token has.
const guestToken = 24

// owner is whose a cart is: a customer's or, with customer 0, a guest's.
type owner struct {
	customer int64
	guest    []byte // digest of the token
	token    string // of a guest who has just come, to be told
}

// ownerOf says whose carts the request is about. A customer's token decides, whatever the cart header says; a guest without
// a token gets one where fresh is true and owns nothing where it is not.
func ownerOf(c *fiber.Ctx, fresh bool) (owner, error) {
	if who := callerOf(c); who.role == auth.Customer {
		return owner{customer: who.account}, nil
	}
	token := c.Get(headerCart)
	if token == "" {
		var o owner
		if fresh {
			var b [guestToken]byte
			_, _ = rand.Read(b[:]) // never fails: it ends the process instead
			o.token = base64.RawURLEncoding.EncodeToString(b[:])
			o.guest = digest(o.token)
		}
		return o, nil
	}
	if b, err := base64.RawURLEncoding.DecodeString(token); err != nil || len(b) != guestToken {
		return owner{}, api.Errorf(api.Invalid, "This isn't the token of a cart.").At(headerCart)
	}
	return owner{guest: digest(token)}, nil
}

func digest(token string) []byte {
	sum := sha256.Sum256([]byte(token))
	return sum[:]
}

// scope names the owner in idempotency keys.
func (o owner) scope() string {
	if o.customer != 0 {
		return fmt.Sprintf("cart/%d", o.customer)
	}
	return fmt.Sprintf("cart/%x", o.guest)
}

// columns are the owner's as the table has them, one of them null.
func (o owner) columns() (customer *int64, guest []byte) {
	if o.customer != 0 {
		return &o.customer, nil
	}
	return nil, o.guest
}

// cart is the row of an open cart.
type cart struct {
	id, version int64
	store       store
	expires     time.Time
}

// ours is the condition for the owner's row, $3, of open carts k in the store with the storeName $1 and $2: one equality for each kind
// of owner, which the unique index answers.
func (o owner) ours() (condition string, id any) {
	const here = `k.state = 'open' and k.store_id = (select id` + storesNamed + `) and `
	if o.customer != 0 {
		return here + `k.customer_id = $3`, o.customer
	}
	return here + `k.guest = $3`, o.guest
}

// notExpired is of an open cart k; an expired one is none, whether the sweeper has seen it or not. The sum keeps Postgres from
// the index by expires_at, which holds all carts that were ever open until it is vacuumed: 3,200 pages were read for a cart.
const notExpired = ` and k.expires_at + interval '0' > now()`

// queueLock locks the owner's cart, which k is afterwards; its id is 0 where there is none. Of two changes at once the second
// then sees the first's.
func (k *cart) queueLock(b *pgx.Batch, st storeName, o owner) {
	ours, id := o.ours()
	b.Queue(`select k.id, k.version, k.expires_at from carts k where `+ours+notExpired+` for no key update`, st.name, st.id, id).
		QueryRow(func(row pgx.Row) error {
			_, err := scanned(row, &k.id, &k.version, &k.expires)
			return err
		})
}

// ask queues what somebody wants to know of an owner's cart once it is locked.
type ask func(b *pgx.Batch, st storeName, o owner)

// nothing is an ask.
func nothing(*pgx.Batch, storeName, owner) {}

// lockCart locks the owner's cart and asks together with that, all in one round trip. The cart's id is 0 where there is none; with open it is
// made then. Two that make one at once meet at the unique index.
func lockCart(ctx context.Context, tx pgx.Tx, st storeName, o owner, open bool, more ask) (*cart, error) {
	const insert = `insert into carts (store_id, customer_id, guest, version) values ((select id` + storesNamed + `), $3, $4, 0)
		on conflict do nothing`
	const retire = `update carts k set state = 'abandoned', updated_at = now() where k.expires_at <= now() and `
	ours, id := o.ours()
	customer, guest := o.columns()
	k, b := &cart{}, &pgx.Batch{}
	for range attempts {
		st.queue(b, &k.store)
		if open {
			b.Queue(insert, st.name, st.id, customer, guest)
		}
		k.queueLock(b, st, o)
		more(b, st, o)
		if err := tx.SendBatch(ctx, b).Close(); err != nil {
			return nil, fmt.Errorf("lock a cart in store %q: %w", cut(st.name, 64), err)
		}
		if k.id != 0 || !open {
			return k, nil
		}
		// The one that was in the way is past its time, or was bought while we waited for its lock.
		b = &pgx.Batch{}
		b.Queue(retire+ours, st.name, st.id, id)
	}
	return nil, api.Errorf(api.Conflict, "The cart is being bought over and over.").RetryAfter(1)
}

// at wants the version that the caller has seen, so that what was done on another device isn't overwritten unseen.
func (k *cart) at(version *int64) error {
	if version == nil || *version == k.version {
		return nil
	}
	return api.Errorf(api.Conflict, "The cart was changed elsewhere: it is at version %d, not %d. Read it again.", k.version, *version).At("version").Because(refusedCart)
}

// touched carries out what is queued, gives the cart its next version and the full time to live, and shows it as it is then.
func (k *cart) touched(ctx context.Context, tx pgx.Tx, b *pgx.Batch) (view *Cart, err error) {
	b.Queue(`update carts set version = version + 1, updated_at = now(), expires_at = now() + interval '30 days' where id = $1`, k.id)
	b.Queue(cartNow+`k.id = $1`+oldestFirst, k.id).Query(func(rows pgx.Rows) error {
		found, err := k.scan(rows)
		view = k.view(found)
		return err
	})
	if err := tx.SendBatch(ctx, b).Close(); err != nil {
		return nil, fmt.Errorf("change cart %d: %w", k.id, err)
	}
	return view, nil
}
