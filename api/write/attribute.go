package write

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/jackc/pgx/v5"
)

// attributes checks the product's attributes against the registry and returns them as one JSON object. An attribute that
// the registry doesn't know would be neither searchable nor shown, so it is an error here and not a riddle later.
func attributes(ctx context.Context, tx pgx.Tx, values map[string]json.RawMessage) ([]byte, error) {
	var c check
	c.count("attributes", len(values), 0, 100)
	if err := c.err(); err != nil {
		return nil, err
	}
	codes := slices.Sorted(maps.Keys(values))
	rows, err := tx.Query(ctx, `select code, kind from attribute_defs where code = any($1)`, codes)
	if err != nil {
		return nil, fmt.Errorf("read the attribute registry: %w", err)
	}
	kinds, code, kind := map[string]string{}, "", ""
	if _, err := pgx.ForEachRow(rows, []any{&code, &kind}, func() error {
		kinds[code] = kind
		return nil
	}); err != nil {
		return nil, fmt.Errorf("read the attribute registry: %w", err)
	}
	object := map[string]any{}
	for _, code := range codes {
		field := "attributes." + cut(code, 64)
		switch kinds[code] {
		case "keyword":
			object[code] = c.keyword(field, values[code])
		case "number":
			object[code] = c.number(field, values[code])
		case "boolean":
			object[code] = c.boolean(field, values[code])
		default:
			c.bad(field, "is not in the attribute registry")
		}
	}
	if err := c.err(); err != nil {
		return nil, err
	}
	return json.Marshal(object)
}

// keyword wants a string or a list of 1 to 20.
func (c *check) keyword(field string, raw json.RawMessage) any {
	var one *string
	if err := json.Unmarshal(raw, &one); err == nil && one != nil {
		c.text(field, *one, 1, 200)
		return *one
	}
	var many []string
	if err := json.Unmarshal(raw, &many); err != nil || len(many) == 0 || len(many) > 20 {
		c.bad(field, "must be a string or a list of 1 to 20 strings")
		return nil
	}
	for i, value := range many {
		c.text(fmt.Sprintf("%s[%d]", field, i), value, 1, 200)
	}
	return many
}

func (c *check) number(field string, raw json.RawMessage) any {
	var value *float64
	if err := json.Unmarshal(raw, &value); err != nil || value == nil || math.Abs(*value) > 1e15 {
		c.bad(field, "must be a number of at most 15 digits before the point")
		return nil
	}
	return *value
}

func (c *check) boolean(field string, raw json.RawMessage) any {
	var value *bool
	if err := json.Unmarshal(raw, &value); err != nil || value == nil {
		c.bad(field, "must be true or false")
		return nil
	}
	return *value
}
