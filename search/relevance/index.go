package relevance

import (
	"context"
	"fmt"

	"freshet/search"
)

// Index makes an index under a prefix of its own on the server and fills it with the catalog. The caller drops it.
func (c *Catalog) Index(ctx context.Context, client *search.Client, prefix string) error {
	index := &search.Indices{Client: client, Prefix: prefix}
	if err := index.Ensure(ctx); err != nil {
		return err
	}
	var ops []search.Op
	for _, v := range c.Views {
		doc := search.FromView(v, c.Dimensions)
		op, err := doc.Op(search.Alias(prefix))
		if err != nil {
			return err
		}
		ops = append(ops, op)
	}
	results, err := search.NewWriter(client, search.WriterConfig{}).Publish(ctx, ops)
	if err != nil {
		return fmt.Errorf("index the catalog: %w", err)
	}
	for i, r := range results {
		if r.Outcome == search.Refused {
			return fmt.Errorf("index the catalog: document %s: %w", ops[i].ID, r.Reason)
		}
	}
	return nil
}
