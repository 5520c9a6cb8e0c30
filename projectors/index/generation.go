package index

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"go.mongodb.org/mongo-driver/v2/mongo"

	"freshet/projectors/dimension"
	"freshet/projectors/document"
	"freshet/projectors/view"
	"freshet/search"
)

// generationID is the document of the search index in "generations".
const generationID = "search"

// Generation says which generation of the index is live and which is beside it, and how far its filling has come.
type Generation struct {
	ID     string `bson:"_id" json:"-"`
	Rev    int64  `bson:"rev" json:"-"`
	Live   int    `bson:"live" json:"live"`
	Beside int    `bson:"beside" json:"beside"` // written too; 0 for none
	Filled bool   `bson:"filled" json:"filled"` // the one beside holds every offer
	// Cursor is the last store that was filled whole, Documents how many were written.
	Cursor    int64      `bson:"cursor" json:"cursor"`
	Documents int64      `bson:"documents" json:"documents"`
	Started   *time.Time `bson:"started,omitempty" json:"started,omitempty"`
	Switched  *time.Time `bson:"switched,omitempty" json:"switched,omitempty"` // last
}

// DocumentID is the field stored as _id.
func (g *Generation) DocumentID() *string { return &g.ID }

// Revision is the field stored as rev.
func (g *Generation) Revision() *int64 { return &g.Rev }

// Generation returns how it stands.
func (s *Store) Generation(ctx context.Context) (Generation, error) {
	docs, err := s.generations.Load(ctx, []string{generationID})
	if err != nil {
		return Generation{}, fmt.Errorf("read the generations of the index: %w", err)
	}
	if g := docs[generationID]; g != nil {
		return *g, nil
	}
	return Generation{ID: generationID, Live: 1}, nil
}

func (s *Store) setGeneration(ctx context.Context, change func(*Generation)) (Generation, error) {
	docs, err := s.generations.Update(ctx, []string{generationID}, func(_ string, g *Generation) bool {
		if g.Rev == 0 {
			g.Live = 1
		}
		change(g)
		return true
	})
	if err != nil {
		return Generation{}, fmt.Errorf("store the generations of the index: %w", err)
	}
	return *docs[generationID], nil
}

// Errors of a Rebuild that is asked for something out of turn.
var (
	ErrNotFilled  = errors.New("the generation beside the live one is not filled yet")
	ErrNoBeside   = errors.New("there is no generation beside the live one")
	ErrNotEqual   = errors.New("the generations are not equal")
	errKeptBeside = errors.New("the generation from before the last switch is still kept: discard it first")
)

// Rebuild makes a new generation of the index beside the live one, while the stage writes to both.
//
// No update is lost: the stage looks at the start of every batch whether there is a generation beside, and that is durable
// before the first document is read to fill it. A view whose batch began before was of documents that were stored before, so
// filling reads them; a view whose batch begins after is written to both; and versions order what both write.
type Rebuild struct {
	store   *Store
	indices *search.Indices
	writer  *search.Writer
	dims    dimensions
	log     *slog.Logger
}

// NewRebuild returns a rebuild in the database.
func NewRebuild(db *mongo.Database, indices *search.Indices, writer *search.Writer, dims dimensions, log *slog.Logger) *Rebuild {
	return &Rebuild{store: NewStore(db, document.Config{}), indices: indices, writer: writer, dims: dims, log: log}
}

// State returns how it stands.
func (r *Rebuild) State(ctx context.Context) (Generation, error) { return r.store.Generation(ctx) }

// Begin puts a new generation beside the live one; one that was begun and not filled goes on.
func (r *Rebuild) Begin(ctx context.Context) (Generation, error) {
	g, err := r.store.Generation(ctx)
	if err != nil {
		return g, err
	}
	if g.Beside != 0 && g.Filled && g.Switched != nil && g.Beside < g.Live {
		return g, errKeptBeside
	}
	next := g.Beside
	if next == 0 {
		next = g.Live + 1
	}
	if err := r.indices.Build(ctx, next); err != nil {
		return g, err
	}
	if g.Beside != 0 {
		return g, nil
	}
	now := time.Now().UTC().Truncate(time.Millisecond)
	return r.store.setGeneration(ctx, func(g *Generation) {
		g.Beside, g.Filled, g.Cursor, g.Documents, g.Started = next, false, 0, 0, &now
	})
}

// Fill writes every offer of every store to the generation beside, at most rate documents a second (0 for as many as go),
// from where an earlier call was broken off. progress is told after each store.
func (r *Rebuild) Fill(ctx context.Context, rate int, progress func(g Generation, stores int) error) error {
	g, err := r.store.Generation(ctx)
	if err != nil {
		return err
	}
	if g.Beside == 0 {
		return ErrNoBeside
	}
	if err := r.dims.Refresh(ctx); err != nil {
		return err
	}
	stores := r.dims.Get().Stores()
	pace := pacer{rate: rate, began: time.Now()}
	for _, store := range stores {
		if g.Filled || store.ID <= g.Cursor {
			continue
		}
		written, err := r.fillStore(ctx, store.ID, &pace)
		if err != nil {
			return fmt.Errorf("fill store %d: %w", store.ID, err)
		}
		if g, err = r.store.setGeneration(ctx, func(g *Generation) { g.Cursor, g.Documents = store.ID, g.Documents+int64(written) }); err != nil {
			return err
		}
		if err := progress(g, len(stores)); err != nil {
			return err
		}
	}
	_, err = r.store.setGeneration(ctx, func(g *Generation) { g.Filled = true })
	return err
}

// fillStore writes the documents of a store. The dimensions are as new as its reading: later ones are followed by the stage,
// which writes to both generations.
func (r *Rebuild) fillStore(ctx context.Context, store int64, pace *pacer) (written int, err error) {
	if err := r.dims.Refresh(ctx); err != nil {
		return 0, err
	}
	set := r.dims.Get()
	err = r.store.views(ctx, store, func(views []view.Offer) error {
		ops, err := r.ops(views, set)
		if err != nil {
			return err
		}
		results, err := r.writer.Write(ctx, ops)
		if err != nil {
			return err
		}
		for i, result := range results {
			if result.Outcome == search.Refused {
				r.log.ErrorContext(ctx, "a document can't be indexed", "document", ops[i].ID, "index", ops[i].Alias, "error", result.Reason)
			}
		}
		written += len(ops)
		return pace.wait(ctx, len(ops))
	})
	return written, err
}

// pacer keeps a mean rate.
type pacer struct {
	rate  int
	began time.Time
	done  int
}

func (p *pacer) wait(ctx context.Context, n int) error {
	if p.done += n; p.rate <= 0 {
		return ctx.Err()
	}
	due := p.began.Add(time.Duration(float64(p.done) / float64(p.rate) * float64(time.Second)))
	if d := time.Until(due); d > 0 {
		return pause(ctx, d)
	}
	return ctx.Err()
}

// gateTries is how often the generations are compared before they count as unequal: documents on their way to both are not
// in both at the same instant.
const gateTries = 5

// Gate compares the generations: the number of visible documents, and a sample document by document. If another definition
// made the live one, the sample is of the documents in MongoDB, as this version indexes them. The error wraps ErrNotEqual, or
// ErrNotFilled.
func (r *Rebuild) Gate(ctx context.Context, sample int) (c search.Comparison, err error) {
	g, err := r.store.Generation(ctx)
	switch {
	case err != nil:
		return c, err
	case g.Beside == 0:
		return c, ErrNoBeside
	case !g.Filled:
		return c, ErrNotFilled
	}
	for try := 1; ; try++ {
		if c, err = r.compare(ctx, sample); err != nil || c.Equal() {
			return c, err
		}
		if try == gateTries {
			return c, fmt.Errorf("%w: %d documents are live and %d beside; of %d sampled %d are older beside and %d different, the first %s",
				ErrNotEqual, c.Live, c.Beside, c.Sampled, c.Older, c.Different, c.First)
		}
		if err := pause(ctx, 500*time.Millisecond); err != nil {
			return c, err
		}
	}
}

func (r *Rebuild) compare(ctx context.Context, sample int) (search.Comparison, error) {
	c, err := r.indices.Compare(ctx, sample)
	if err != nil || !c.Redefined || sample == 0 {
		return c, err
	}
	if err := r.dims.Refresh(ctx); err != nil {
		return c, err
	}
	views, err := r.store.sample(ctx, sample)
	if err != nil {
		return c, err
	}
	ops, err := r.ops(views, r.dims.Get())
	if err != nil {
		return c, err
	}
	err = r.indices.CompareWith(ctx, &c, ops)
	return c, err
}

// ops are what writes the views beside the live generation.
func (r *Rebuild) ops(views []view.Offer, set *dimension.Set) ([]search.Op, error) {
	var ops []search.Op
	for i := range views {
		if _, known := set.Store(views[i].Store); !known || views[i].Version <= 0 { // nothing was ever stored of it
			continue
		}
		doc := search.FromView(&views[i], set)
		op, err := doc.Op(search.Beside(search.Alias(r.indices.Prefix)))
		if err != nil {
			return nil, err
		}
		ops = append(ops, op)
	}
	return ops, nil
}

// Switch exchanges the live generation with the one beside it, in one request of Elasticsearch; again, it goes back. Both
// are written as before.
func (r *Rebuild) Switch(ctx context.Context) (Generation, error) {
	g, err := r.store.Generation(ctx)
	switch {
	case err != nil:
		return g, err
	case g.Beside == 0:
		return g, ErrNoBeside
	case !g.Filled:
		return g, ErrNotFilled
	}
	live, beside := g.Beside, g.Live
	if err := r.indices.Switch(ctx, live, beside); err != nil {
		return g, err
	}
	now := time.Now().UTC().Truncate(time.Millisecond)
	return r.store.setGeneration(ctx, func(g *Generation) { g.Live, g.Beside, g.Switched = live, beside, &now })
}

// Discard ends the writing to the generation beside and deletes it. A batch that is on its way to it fails once and is
// handled again without it.
func (r *Rebuild) Discard(ctx context.Context) (Generation, error) {
	g, err := r.store.Generation(ctx)
	if err != nil {
		return g, err
	}
	if g.Beside == 0 {
		return g, ErrNoBeside
	}
	gone := g.Beside
	if g, err = r.store.setGeneration(ctx, func(g *Generation) { g.Beside, g.Filled, g.Cursor = 0, false, 0 }); err != nil {
		return g, err
	}
	return g, r.indices.Discard(ctx, gone)
}
