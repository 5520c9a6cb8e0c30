package catalog

import (
	"errors"
	"maps"
	"slices"

	"freshet/ingest/change"
	"freshet/projectors"
)

// errLost is the reason of a row that came from another product without its TOASTed value.
var errLost = errors.New("the row moved here from another product, and the log does not carry its large values: write them again")

// batch is what a batch of records says, by document.
type batch struct {
	edits    map[int64][]Edit
	names    map[int64][]BrandName
	reviews  map[string][]judgement        // by document
	records  map[int64][]projectors.Record // of the edits, by product
	reviewed map[int64][]projectors.Record // of the reviews, by product
	renames  []projectors.Record
}

// read decodes all records before anything is applied. The error is a projectors.Poison that names those that can't be.
func read(records []projectors.Record) (*batch, error) {
	b := &batch{
		edits: map[int64][]Edit{}, names: map[int64][]BrandName{}, reviews: map[string][]judgement{},
		records: map[int64][]projectors.Record{}, reviewed: map[int64][]projectors.Record{},
	}
	return b, projectors.ReadAll(records, b.add)
}

func (b *batch) add(r projectors.Record, ev change.Event) error {
	if ev.Table == "public.brands" {
		name, err := ReadBrand(ev)
		if err != nil {
			return err
		}
		b.names[name.ID] = append(b.names[name.ID], name)
		b.renames = append(b.renames, r)
		return nil
	}
	if ev.Table == "public.reviews" {
		j, err := readReview(ev)
		if err != nil {
			return err
		}
		b.reviews[j.document()] = append(b.reviews[j.document()], j)
		b.reviewed[j.product] = append(b.reviewed[j.product], r)
		return nil
	}
	e, err := Read(ev)
	if err != nil {
		return err
	}
	b.edits[e.Product] = append(b.edits[e.Product], e)
	b.records[e.Product] = append(b.records[e.Product], r)
	return nil
}

// products lists the products that the batch says something of, other than their brand's name.
func (b *batch) products() []int64 {
	return slices.Concat(slices.Collect(maps.Keys(b.edits)), slices.Collect(maps.Keys(b.reviewed)))
}

// lost adds the records whose values the documents lack to the poison: all else of them is stored.
func (b *batch) lost(poison *projectors.Poison, docs map[int64]*Product) {
	for id, edits := range b.edits {
		for i, e := range edits {
			if e.Lost(docs[id]) {
				poison.Add(b.records[id][i], errLost)
			}
		}
	}
}

// tooLarge returns the products whose views were too large to publish.
func tooLarge(err error) (products []int64, ok bool) {
	var large interface {
		error
		TooLarge() (products []int64, offers []string)
	}
	if !errors.As(err, &large) {
		return nil, false
	}
	products, _ = large.TooLarge()
	return products, true
}

// park turns the error of views that are too large into poison of the records that made them so: their documents are
// stored, but no view of them can be published until something makes them smaller. It returns every other error.
func (b *batch) park(poison *projectors.Poison, err error) error {
	products, ok := tooLarge(err)
	if !ok {
		return err
	}
	seen := map[int64]bool{}
	for _, id := range products {
		if seen[id] {
			continue
		}
		seen[id] = true
		records := append(b.records[id], b.reviewed[id]...)
		if len(records) == 0 {
			records = b.renames
		}
		for _, r := range records {
			poison.Add(r, err)
		}
	}
	return nil
}
