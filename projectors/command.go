package projectors

import (
	"encoding/json"
	"fmt"
	"strconv"

	"freshet/ingest/change"
)

// Command asks the stages that work store by store to do something for one store. It travels on change.CommandTopic, keyed
// and routed by the store's id like the offer views, so it reaches the worker that owns the store, in order with them.
type Command struct {
	Kind       string `json:"kind"`                 // one of the kinds below
	Store      int64  `json:"store"`                // store id
	Dimensions int64  `json:"dimensions,omitempty"` // the dimension store's version that must be loaded before acting
	Product    int64  `json:"product,omitempty"`    // of a Product command
	Category   int64  `json:"category,omitempty"`   // of a Node command
	ID         string `json:"id,omitempty"`         // of the request, for the log
	Reason     string `json:"reason,omitempty"`     // for people
}

// The kinds of command.
const (
	// Rebuild makes all documents of the store's tree again from the offers and products.
	Rebuild = "rebuild"
	// Dimensions says that a row changed which this store's documents show or depend on.
	Dimensions = "dimensions"
	// Product makes the pages and search documents that show one product again, from the documents in MongoDB.
	Product = "product"
	// Node makes the pages of one category again, from what the worker holds of the store.
	Node = "node"
)

// Encode returns the record's key (the store's id in decimal, also its routing value) and value.
func (c Command) Encode() (key, value []byte, err error) {
	value, err = json.Marshal(c)
	if err != nil {
		return nil, nil, fmt.Errorf("encode command for store %d: %w", c.Store, err)
	}
	return strconv.AppendInt(nil, c.Store, 10), value, nil
}

// DecodeCommand is the inverse of Encode.
func DecodeCommand(value []byte) (Command, error) {
	var c Command
	if err := json.Unmarshal(value, &c); err != nil {
		return Command{}, fmt.Errorf("%w: command: %w", change.ErrMalformed, err)
	}
	known := c.Kind == Rebuild || c.Kind == Dimensions || (c.Kind == Product && c.Product > 0) || (c.Kind == Node && c.Category > 0)
	if c.Store == 0 || !known {
		return Command{}, fmt.Errorf("%w: command of kind %q for store %d, product %d, category %d", change.ErrMalformed, c.Kind, c.Store, c.Product, c.Category)
	}
	return c, nil
}
