package audit

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// Stock is no read model but the shop's own books: {store}:{sku}, what the ledger and the holds come to against what the
// inventory says. A difference is an error of whoever wrote it, and nothing that can be published again mends it.
const Stock Kind = "stock"

// Stock compares the books. Constraints keep the shop's own writers from most such errors; this tells of those that
// came by other ways: a constraint that was dropped, a row that was changed without its entry in the ledger.
func (t *Tables) Stock(ctx context.Context) (Result, error) {
	sql, err := queries.ReadFile("sql/stock.sql")
	if err != nil {
		return Result{}, fmt.Errorf("read stock.sql: %w", err)
	}
	rows, err := t.tx.Query(ctx, string(sql))
	if err != nil {
		return Result{}, fmt.Errorf("compare the stock with its ledger: %w", err)
	}
	want, got := Documents{}, Documents{}
	var key string
	var due, found []byte
	_, err = pgx.ForEachRow(rows, []any{&key, &due, &found}, func() error {
		var w, g any
		if err := json.Unmarshal(due, &w); err != nil {
			return err
		}
		if err := json.Unmarshal(found, &g); err != nil {
			return err
		}
		want[key], got[key] = w, g
		return nil
	})
	if err != nil {
		return Result{}, fmt.Errorf("compare the stock with its ledger: %w", err)
	}
	return compare(Stock, want, got), nil
}
