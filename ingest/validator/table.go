package validator

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"

	"freshet/ingest/change"
)

// Table is what the checks must know of a published table.
type Table struct {
	Name       string // "public.prices"
	Topic      string
	Partitions int
	Key        []string // primary key
	Routing    string   // the column that chooses the partition
	Identity   []string // columns of the replica identity; nil when it is full
}

// identifies says whether the old row of a delete holds the column.
func (t *Table) identifies(column string) bool {
	return t.Identity == nil || slices.Contains(t.Identity, column)
}

// partition says where a row belongs.
func (t *Table) partition(image []byte) (int, error) {
	row, err := parse(image)
	if err != nil {
		return 0, err
	}
	value, ok := row[t.Routing]
	if !ok || value == nil {
		return 0, fmt.Errorf("%s has no value of the routing column %s", image, t.Routing)
	}
	return change.Partition(fmt.Append(nil, value), t.Partitions), nil
}

// row is a row image by column; numbers keep their text.
type row map[string]any

func parse(image []byte) (row, error) {
	if len(image) == 0 {
		return nil, nil
	}
	decoder := json.NewDecoder(bytes.NewReader(image))
	decoder.UseNumber()
	var r row
	if err := decoder.Decode(&r); err != nil {
		return nil, fmt.Errorf("row %s: %w", image, err)
	}
	return r, nil
}

// only keeps some columns; nil keeps all.
func (r row) only(columns []string) row {
	if columns == nil {
		return r
	}
	out := row{}
	for _, c := range columns {
		if v, ok := r[c]; ok {
			out[c] = v
		}
	}
	return out
}

// String is the same for the same row, whatever its order of columns was.
func (r row) String() string {
	if r == nil {
		return ""
	}
	text, err := json.Marshal(r)
	if err != nil {
		return err.Error() // numbers that JSON does not have, and that no JSON held
	}
	return string(text)
}

// key is the row's key in the order of the table's columns.
func (t *Table) key(r row) string {
	out := []byte{'{'}
	for i, c := range t.Key {
		if i > 0 {
			out = append(out, ',')
		}
		text := row{c: r[c]}.String()
		out = append(out, text[1:len(text)-1]...)
	}
	return string(append(out, '}'))
}
