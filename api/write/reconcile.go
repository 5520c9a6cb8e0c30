package write

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// Reconciliation compares what the database says twice: levels with the ledger, what is reserved with the reservations,
// payments with orders. The API keeps them equal in every transaction, so in one snapshot any difference is real: somebody
// wrote past it, or the code is wrong.

// Discrepancy is a place where the books disagree.
type Discrepancy struct {
	// Check is ledger, reserved, holds, stale hold, unpaid, money owed or refunds.
	Check   string `json:"check"`
	Store   int64  `json:"store,omitempty"`
	SKU     string `json:"sku,omitempty"`
	Order   int64  `json:"order,omitempty"`
	Payment int64  `json:"payment,omitempty"`
	// Have is what the row says, and Want what it follows from.
	Have int64 `json:"have"`
	Want int64 `json:"want"`
	// Halted says that the SKU isn't sold until it is mended.
	Halted bool `json:"halted,omitempty"`
	// Mended says that it was repaired and agrees again.
	Mended bool `json:"mended,omitempty"`
	// Why is why it could not be mended.
	Why string `json:"why,omitempty"`
}

// ReconcileOptions say what is done about discrepancies. The zero value looks and writes nothing.
type ReconcileOptions struct {
	// Halt stops the sale of the SKUs that are wrong.
	Halt bool
	// Repair halts, mends, verifies, and lets those be sold again that agree.
	Repair bool
	// Reason and Actor go into the ledger with each movement that mends; both are needed for a repair.
	Reason, Actor string
}

// Reconciliation is what was found.
type Reconciliation struct {
	Found []Discrepancy `json:"found"`
	// Resumed is how many SKUs that had been halted agree, and are sold again.
	Resumed int64 `json:"resumed"`
}

// Wrong counts what is still wrong.
func (r *Reconciliation) Wrong() (n int) {
	for _, d := range r.Found {
		if !d.Mended {
			n++
		}
	}
	return n
}

// Reconcile looks for discrepancies and does with them what the options say. Each is mended in a transaction of its own,
// under the locks that sales take, and looked at again before the commit: the shop may be open all the while.
func (s *Shop) Reconcile(ctx context.Context, o ReconcileOptions) (*Reconciliation, error) {
	if o.Repair && (o.Reason == "" || o.Actor == "") {
		return nil, errors.New("a repair needs a reason and an actor: the ledger keeps both")
	}
	r := &Reconciliation{Found: []Discrepancy{}}
	if err := s.discrepancies(ctx, r); err != nil {
		return nil, err
	}
	if !o.Halt && !o.Repair {
		return r, nil
	}
	if err := s.haltAll(ctx, r.Found); err != nil {
		return nil, err
	}
	if !o.Repair {
		return r, nil
	}
	for i := range r.Found {
		d := &r.Found[i]
		if err := s.mend(ctx, d, o); err != nil {
			d.Why = err.Error()
		}
		d.Mended = d.Why == ""
	}
	return r, s.resume(ctx, r)
}

// discrepancies runs every check in one snapshot.
func (s *Shop) discrepancies(ctx context.Context, r *Reconciliation) error {
	options := pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}
	return pgx.BeginTxFunc(ctx, s.pool, options, func(tx pgx.Tx) error {
		levels, err := booksOf(ctx, tx, nil, nil)
		if err != nil {
			return err
		}
		for _, b := range levels {
			r.Found = append(r.Found, b.discrepancies()...)
		}
		for _, check := range orderChecks {
			found, err := check.run(ctx, tx, nil)
			if err != nil {
				return err
			}
			r.Found = append(r.Found, found...)
		}
		return nil
	})
}

// haltAll stops the sale of the SKUs that are wrong. What is paid for is still sent, and what is held may still be paid.
func (s *Shop) haltAll(ctx context.Context, found []Discrepancy) error {
	for i, d := range found {
		if d.SKU == "" {
			continue
		}
		const update = `update inventory set halted = true, version = version + 1 where store_id = $1 and sku = $2 and not halted`
		if _, err := s.pool.Exec(ctx, update, d.Store, d.SKU); err != nil {
			return fmt.Errorf("halt %s in store %d: %w", d.SKU, d.Store, err)
		}
		found[i].Halted = true
	}
	return nil
}

// resume lets those be sold again that were halted and agree, but for those of which something is left.
func (s *Shop) resume(ctx context.Context, r *Reconciliation) error {
	rows, err := s.pool.Query(ctx, `select store_id, sku from inventory where halted order by store_id, sku`)
	if err != nil {
		return fmt.Errorf("read what is halted: %w", err)
	}
	type key struct {
		Store int64
		SKU   string
	}
	halted, err := pgx.CollectRows(rows, pgx.RowToStructByPos[key])
	if err != nil {
		return fmt.Errorf("read what is halted: %w", err)
	}
	left := map[key]bool{}
	for _, d := range r.Found {
		left[key{d.Store, d.SKU}] = left[key{d.Store, d.SKU}] || !d.Mended
	}
	for _, k := range halted {
		if left[k] {
			continue
		}
		agrees, err := s.resumeOne(ctx, k.Store, k.SKU)
		if err != nil {
			return err
		}
		if agrees {
			r.Resumed++
		}
	}
	return nil
}

func (s *Shop) resumeOne(ctx context.Context, store int64, sku string) (agrees bool, err error) {
	err = pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		b, err := lockBooks(ctx, tx, store, sku)
		if err != nil {
			return err
		}
		if agrees = len(b.discrepancies()) == 0; !agrees {
			return nil
		}
		const update = `update inventory set halted = false, version = version + 1 where store_id = $1 and sku = $2`
		_, err = tx.Exec(ctx, update, store, sku)
		return err
	})
	if err != nil {
		return false, fmt.Errorf("resume %s in store %d: %w", sku, store, err)
	}
	return agrees, nil
}

// mend repairs one discrepancy; nil when it then agrees.
func (s *Shop) mend(ctx context.Context, d *Discrepancy, o ReconcileOptions) error {
	return pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		if d.Check == "ledger" || d.Check == "reserved" || d.Check == "holds" {
			return mendBooks(ctx, tx, d, o)
		}
		return mendOrder(ctx, tx, d, o)
	})
}
