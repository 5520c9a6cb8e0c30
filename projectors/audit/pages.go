package audit

import (
	"context"
	"fmt"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"freshet/projectors/tree"
)

// broken is the member of a page that no page should have: what is wrong with the documents that it is kept in.
const broken = "broken"

// pageParts are the documents of one page.
type pageParts[P any] struct {
	parts []P
	fault string
}

// collectPages reads what matches of a collection of pages, and puts those that are kept in several documents together: how
// they are cut is no business of who computes them. A page has its broken member if its parts are no chain or a document is
// larger than the cap.
func collectPages[P tree.Part[P]](ctx context.Context, c *mongo.Collection, which bson.D, limit int, canonical func(P) map[string]any) (Documents, error) {
	cur, err := c.Find(ctx, which)
	if err != nil {
		return nil, fmt.Errorf("find in %s: %w", c.Name(), err)
	}
	defer func() { _ = cur.Close(ctx) }() // read to its end, or an error is returned already
	pages := map[string]*pageParts[P]{}
	for cur.Next(ctx) {
		var part P
		if err := cur.Decode(&part); err != nil {
			return nil, fmt.Errorf("decode a document of %s: %w", c.Name(), err)
		}
		id, live := part.Stored()
		if !live {
			continue
		}
		key, _, _ := strings.Cut(id, "#")
		if pages[key] == nil {
			pages[key] = &pageParts[P]{}
		}
		pages[key].parts = append(pages[key].parts, part)
		if len(cur.Current) > limit {
			pages[key].fault = fmt.Sprintf("%s has %d bytes, more than %d", id, len(cur.Current), limit)
		}
	}
	if err := cur.Err(); err != nil {
		return nil, fmt.Errorf("read %s: %w", c.Name(), err)
	}
	return joined(pages, canonical)
}

func joined[P tree.Part[P]](pages map[string]*pageParts[P], canonical func(P) map[string]any) (Documents, error) {
	docs := Documents{}
	for key, p := range pages {
		whole, err := tree.Join(p.parts)
		if err != nil {
			p.fault = err.Error()
		}
		doc := canonical(whole)
		if p.fault != "" {
			doc[broken] = p.fault
		}
		if docs[key], err = roundTrip(doc); err != nil {
			return nil, fmt.Errorf("page %s: %w", key, err)
		}
	}
	return docs, nil
}
