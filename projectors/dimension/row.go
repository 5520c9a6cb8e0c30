package dimension

import (
	"encoding/json"
	"fmt"
	"slices"

	"freshet/ingest/change"
)

// Row is the document dimensions/{table}:{primary key}: one row of a dimension table.
type Row struct {
	ID      string          `bson:"_id"`
	Rev     int64           `bson:"rev"`
	Pos     change.Position `bson:"pos"`
	Deleted bool            `bson:"deleted,omitempty"`
	Row     json.RawMessage `bson:"row"` // the row as the envelope has it; nil when deleted
	// Held are the columns whose value is older than Pos: TOAST left them out of later updates.
	Held []Held `bson:"held,omitempty"`
	// Trees are all the category trees that a row of categories was ever seen in. A category that moves concerns the stores
	// of the tree it left too, also when the move is delivered again and the document says already where it is.
	Trees []int64 `bson:"trees,omitempty"`
	// Stores are likewise all the stores that a row of search_rules was ever seen in.
	Stores []int64 `bson:"stores,omitempty"`
	// Forms are likewise all the forms of a row of stores or attribute_defs, see Form.
	Forms []Form `bson:"forms,omitempty"`
}

// Held is a column of a Row and the position its value is from.
type Held struct {
	Column string          `bson:"column"`
	Pos    change.Position `bson:"pos"`
}

// DocumentID is the field stored as _id.
func (r *Row) DocumentID() *string { return &r.ID }

// Revision is the field stored as rev.
func (r *Row) Revision() *int64 { return &r.Rev }

// Fold folds an event of the row, and says whether that changed the document. Events may come repeatedly and in any order;
// the same set of them always makes the same document.
func (r *Row) Fold(e Edit) bool {
	if !e.ev.Position.After(r.Pos) {
		return r.fill(e)
	}
	r.place(e)
	old, held := r.columns(), r.Held
	since := r.Pos
	r.Pos, r.Deleted, r.Row, r.Held = e.ev.Position, e.ev.Op == change.Delete, e.ev.After, nil
	if r.Deleted {
		r.Row = nil
		return true
	}
	if len(e.ev.Unchanged) == 0 {
		return true
	}
	columns := r.columns()
	for _, c := range e.ev.Unchanged {
		h := Held{Column: c, Pos: since}
		if i := slices.IndexFunc(held, func(h Held) bool { return h.Column == c }); i >= 0 {
			h = held[i]
		}
		if columns[c] = old[c]; old[c] == nil {
			columns[c] = json.RawMessage("null")
		}
		r.Held = append(r.Held, h)
	}
	r.set(columns)
	return true
}

// fill takes the values that a later update left out from an older event.
func (r *Row) fill(e Edit) bool {
	changed := r.place(e)
	var columns, values map[string]json.RawMessage
	for i := range r.Held {
		h := &r.Held[i]
		if e.ev.Op == change.Delete || !e.ev.Position.After(h.Pos) || e.ev.IsUnchanged(h.Column) {
			continue
		}
		if columns == nil {
			columns, values = r.columns(), decode(e.ev.After)
		}
		columns[h.Column], h.Pos = values[h.Column], e.ev.Position
	}
	if columns == nil {
		return changed
	}
	r.set(columns)
	return true
}

// place notes where the row was seen.
func (r *Row) place(e Edit) bool {
	tree, store := include(&r.Trees, e.tree), include(&r.Stores, e.store)
	return r.note(e.form, e.ev.Position) || tree || store
}

// include adds a number to a sorted list; 0 is none.
func include(list *[]int64, n int64) bool {
	i, found := slices.BinarySearch(*list, n)
	if n == 0 || found {
		return false
	}
	*list = slices.Insert(*list, i, n)
	return true
}

func (r *Row) columns() map[string]json.RawMessage { return decode(r.Row) }

// decode never fails: Read has checked that every row is a JSON object.
func decode(raw json.RawMessage) map[string]json.RawMessage {
	columns := map[string]json.RawMessage{}
	if raw != nil && json.Unmarshal(raw, &columns) != nil {
		return map[string]json.RawMessage{}
	}
	return columns
}

func (r *Row) set(columns map[string]json.RawMessage) {
	raw, err := json.Marshal(columns)
	if err != nil {
		panic(fmt.Sprintf("encode columns that were decoded before: %v", err))
	}
	r.Row = raw
}
