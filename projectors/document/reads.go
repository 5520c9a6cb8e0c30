package document

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

const (
	// readMost bounds the ids of one request, so that nobody waits for the documents of very many others.
	readMost = 64
	// readPatience is how long a request may take before another is made beside it, readRequests how many there may be then.
	readPatience = 10 * time.Millisecond
	readRequests = 8
	// readTimeout ends a request, whoever waits for it or no longer does.
	readTimeout = 10 * time.Second
)

// Reads are reads of documents by their ids. Those that are asked for while a request is under way go to the server together, in the
// next one: a server that is busy is asked less often, for more, and one that isn't is asked at once. Each read is sent after it was
// asked for, so it sees what a read of its own would. The methods may be called from any goroutine.
type Reads struct {
	mongo    *mongo.Collection
	patience time.Duration

	mu      sync.Mutex
	under   int       // requests
	began   time.Time // the last of them
	waiting []*Reading
}

// Reading is a document that somebody waits for.
type Reading struct {
	of   *Reads
	id   any
	raw  bson.Raw // nil for none
	err  error
	done chan struct{}
}

// NewReads reads from a collection.
func NewReads(c *mongo.Collection) *Reads { return &Reads{mongo: c, patience: readPatience} }

// Ask asks for the document of this id, an int64 or a string.
func (s *Reads) Ask(id any) *Reading {
	r := &Reading{of: s, id: id, done: make(chan struct{})}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waiting = append(s.waiting, r)
	if s.under == 0 || s.under < readRequests && time.Since(s.began) >= s.patience {
		s.under++
		s.began = time.Now()
		go s.run()
	}
	return r
}

// Await returns the document, nil if there is none. Others may get the same bytes; none may change them.
func (r *Reading) Await(ctx context.Context) (bson.Raw, error) {
	select {
	case <-r.done:
	case <-ctx.Done():
		return nil, fmt.Errorf("read document %v of %s: %w", r.id, r.of.mongo.Name(), context.Cause(ctx))
	}
	if r.err != nil {
		return nil, fmt.Errorf("read document %v of %s: %w", r.id, r.of.mongo.Name(), r.err)
	}
	return r.raw, nil
}

// Get asks for a document and awaits it.
func (s *Reads) Get(ctx context.Context, id any) (bson.Raw, error) { return s.Ask(id).Await(ctx) }

// run makes requests until nobody waits.
func (s *Reads) run() {
	for group := s.next(); group != nil; group = s.next() {
		s.read(group)
		for _, r := range group {
			close(r.done)
		}
	}
}

// next takes those who wait; without any the request was the last.
func (s *Reads) next() (group []*Reading) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := min(len(s.waiting), readMost)
	if n == 0 {
		s.under--
		return nil
	}
	group, s.waiting, s.began = s.waiting[:n:n], s.waiting[n:], time.Now()
	if len(s.waiting) == 0 {
		s.waiting = nil
	}
	return group
}

// read asks for all of the group.
func (s *Reads) read(group []*Reading) {
	ctx, cancel := context.WithTimeout(context.Background(), readTimeout)
	defer cancel()
	if len(group) == 1 {
		r := group[0]
		if r.raw, r.err = s.mongo.FindOne(ctx, bson.D{{Key: "_id", Value: r.id}}).Raw(); errors.Is(r.err, mongo.ErrNoDocuments) {
			r.raw, r.err = nil, nil
		}
		return
	}
	byID := make(map[any][]*Reading, len(group))
	ids := make(bson.A, 0, len(group))
	for _, r := range group {
		if byID[r.id] == nil {
			ids = append(ids, r.id)
		}
		byID[r.id] = append(byID[r.id], r)
	}
	if err := s.find(ctx, ids, byID); err != nil {
		for _, r := range group {
			r.raw, r.err = nil, err
		}
	}
}

func (s *Reads) find(ctx context.Context, ids bson.A, byID map[any][]*Reading) error {
	// One more than there can be, so that the first answer is known to be the last.
	cursor, err := s.mongo.Find(ctx, bson.D{{Key: "_id", Value: bson.D{{Key: "$in", Value: ids}}}}, options.Find().SetBatchSize(int32(len(ids)+1)))
	if err != nil {
		return err
	}
	defer func() { _ = cursor.Close(context.WithoutCancel(ctx)) }() // the server forgets an idle cursor by itself
	for cursor.Next(ctx) {
		id := cursor.Current.Lookup("_id")
		raw := bytes.Clone(cursor.Current)
		for _, r := range byID[key(id)] {
			r.raw = raw
		}
	}
	return cursor.Err()
}

// key is an id as it was asked for.
func key(id bson.RawValue) any {
	if n, ok := id.AsInt64OK(); ok {
		return n
	}
	text, _ := id.StringValueOK()
	return text
}
