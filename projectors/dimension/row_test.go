package dimension_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"freshet/ingest/change"
	"freshet/projectors/dimension"
)

// TestRowTakesAnyOrder folds the history of one row of attribute_defs, whose labels TOAST may leave out.
func TestRowTakesAnyOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var events []change.Event
		var row map[string]any
		for i := range rapid.IntRange(1, 10).Draw(t, "events") {
			ev := change.Event{Position: change.Position{Commit: change.LSN(10 + i), Index: 1}, Table: "public.attribute_defs"}
			switch {
			case row == nil:
				row = map[string]any{"code": "size", "kind": "keyword", "labels": fmt.Sprintf(`{"it":"L%d"}`, i), "unit": nil}
				ev.Op, ev.After = change.Create, encode(row)
			case rapid.IntRange(0, 4).Draw(t, "delete") == 0:
				ev.Op, ev.Before, row = change.Delete, []byte(`{"code":"size"}`), nil
			case rapid.Bool().Draw(t, "unchanged"):
				row["kind"] = fmt.Sprint("kind", i)
				image := map[string]any{"code": "size", "kind": row["kind"], "labels": change.Placeholder, "unit": nil}
				ev.Op, ev.After, ev.Unchanged = change.Update, encode(image), []string{"labels"}
			default:
				row["labels"] = fmt.Sprintf(`{"it":"L%d"}`, i)
				ev.Op, ev.After = change.Update, encode(row)
			}
			events = append(events, ev)
		}
		want := foldRow(t, events)
		if row == nil != want.Deleted {
			t.Fatalf("deleted is %t, the row is %v", want.Deleted, row)
		}
		var got dimension.Attribute
		if row != nil {
			if err := json.Unmarshal(want.Row, &got); err != nil || got.Labels != row["labels"] || got.Kind != row["kind"] {
				t.Fatalf("%+v, the row is %v (%v)", got, row, err)
			}
		}
		again := rapid.SliceOfN(rapid.SampledFrom(events), 0, 4).Draw(t, "again")
		if got := foldRow(t, rapid.Permutation(append(slices.Clone(events), again...)).Draw(t, "order")); !reflect.DeepEqual(got, want) {
			t.Fatalf("in order %+v\nshuffled %+v", want, got)
		}
	})
}

func encode(row any) json.RawMessage {
	raw, err := json.Marshal(row)
	if err != nil {
		panic(err)
	}
	return raw
}

func foldRow(t *rapid.T, events []change.Event) dimension.Row {
	var r dimension.Row
	for _, ev := range events {
		e, err := dimension.Read(ev)
		if err != nil {
			t.Fatal(err)
		}
		r.Fold(e)
	}
	return r
}

func TestReadRefuses(t *testing.T) {
	at := change.Position{Commit: 1, Index: 1}
	for name, ev := range map[string]change.Event{
		"truncate":          {Position: at, Op: change.Truncate, Table: "public.stores"},
		"another table":     {Position: at, Op: change.Create, Table: "public.prices", After: []byte(`{"id":1}`)},
		"another schema":    {Position: at, Op: change.Create, Table: "private.stores", After: []byte(`{"id":1}`)},
		"no position":       {Op: change.Create, Table: "public.stores", After: []byte(`{"id":1}`)},
		"no id":             {Position: at, Op: change.Create, Table: "public.stores", After: []byte(`{"code":"x"}`)},
		"no row":            {Position: at, Op: change.Create, Table: "public.stores"},
		"text without lang": {Position: at, Op: change.Create, Table: "public.category_texts", After: []byte(`{"category_id":1,"name":"x"}`)},
		"languages no list": {Position: at, Op: change.Create, Table: "public.stores", After: []byte(`{"id":1,"languages":"it"}`)},
	} {
		if _, err := dimension.Read(ev); !errors.Is(err, change.ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
