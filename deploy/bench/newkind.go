package bench

import (
	"context"
	"fmt"
	"time"

	"freshet/deploy/bench/modelling"
)

// newOfMany is how many products there are for each that the new kind brings.
const newOfMany = 100

// addKind lets a kind of product come with attributes that nobody had, while somebody goes on changing products, and its
// products after it.
func (c *catalogs) addKind(ctx context.Context) ([]Row, error) {
	more := &modelling.Goods{N: c.goods.N, Newcomers: max(c.goods.N/newOfMany, 1)}
	statements, declared := c.row("a new kind, statements"), c.row("a new kind, ms until declared")
	waited, inserted := c.row("a new kind, longest wait of a writer meanwhile, ms"), c.row(fmt.Sprintf("a new kind, ms to insert %d products of it", more.Newcomers))
	for i, m := range c.models {
		c.t.Note("%d products: adding a kind to %s", c.goods.N, modelNames[i])
		n, took, longest, err := c.declare(ctx, m)
		if err != nil {
			return nil, fmt.Errorf("%s: declare a kind: %w", modelNames[i], err)
		}
		statements.Set(modelNames[i], float64(n))
		declared.Set(modelNames[i], milliseconds(took))
		waited.Set(modelNames[i], milliseconds(longest))
		begun := time.Now()
		for items := range more.Added() {
			if err := m.Insert(ctx, items); err != nil {
				return nil, fmt.Errorf("%s: insert the new kind: %w", modelNames[i], err)
			}
		}
		inserted.Set(modelNames[i], milliseconds(time.Since(begun)))
	}
	c.goods = more
	return []Row{*statements, *declared, *waited, *inserted}, nil
}

// declare makes the kind known while a writer changes a product again and again. The writer has made one change before, and
// ends with the one that is under way when the kind is known, so a declaration that locks it out is seen in full. It puts back
// what was there.
func (c *catalogs) declare(ctx context.Context, m catalogModel) (statements int, took, longest time.Duration, err error) {
	const written = 1
	before, err := m.Show(ctx, written)
	if err != nil {
		return 0, 0, 0, err
	}
	code := modelling.KindOf(before).Numbers()[0].Code
	begun, over := make(chan struct{}), make(chan struct{})
	err = together(ctx, func(ctx context.Context) (err error) {
		defer close(over)
		select {
		case <-begun:
		case <-ctx.Done():
			return ctx.Err()
		}
		start := time.Now()
		statements, err = m.Declare(ctx)
		took = time.Since(start)
		return err
	}, func(ctx context.Context) error {
		for n := 0; ; n++ {
			start := time.Now()
			if err := m.Update(ctx, written, code, float64(n)); err != nil {
				return err
			}
			if n == 0 {
				close(begun)
				continue
			}
			longest = max(longest, time.Since(start))
			select {
			case <-over:
				return m.Update(ctx, written, code, before.Attributes[code])
			default:
			}
		}
	})
	return statements, took, longest, err
}
