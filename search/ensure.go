package search

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
)

// ErrDefinition is wrapped by Ensure's error for an index that another version of the definition made.
var ErrDefinition = errors.New("the index has another definition")

// Indices creates and checks the index of one installation, in its generations.
type Indices struct {
	Client *Client
	Prefix string // of every index name, as Alias uses it
	Shards int    // default 1; a store lives on one shard, so more only help many stores
}

// Ensure creates the index and its alias if there is none, and verifies it otherwise: one that was made from another
// definition is refused, since documents written to it would be analysed in another way than queries expect. It may be
// called by any number of processes at once.
func (x *Indices) Ensure(ctx context.Context) error {
	if err := checkPrefix(x.Prefix); err != nil {
		return err
	}
	if err := x.ensure(ctx); err != nil {
		return fmt.Errorf("ensure index %s: %w", Alias(x.Prefix), err)
	}
	return nil
}

func (x *Indices) ensure(ctx context.Context) error {
	err := x.verify(ctx)
	var status *statusError
	if !errors.As(err, &status) || status.Status != http.StatusNotFound {
		return err
	}
	def := definition(max(x.Shards, 1))
	def["aliases"] = object{Alias(x.Prefix): object{"is_write_index": true}}
	err = x.Client.json(ctx, http.MethodPut, "/"+url.PathEscape(Index(x.Prefix)), def, nil)
	if errors.As(err, &status) && status.Type == "resource_already_exists_exception" {
		return x.verify(ctx) // another process was quicker
	}
	return err
}

// verify looks at the definition of the live index.
func (x *Indices) verify(ctx context.Context) error {
	alias := Alias(x.Prefix)
	made, err := x.definitions(ctx, alias)
	if err != nil {
		return err
	}
	want := definitionDigest()
	for name, digest := range made {
		if name == alias {
			return fmt.Errorf("%w: %s is an index, not an alias: something wrote before the indices were made; delete it",
				ErrDefinition, alias)
		}
		if digest != want {
			return fmt.Errorf("%w: %s has %q, this version needs %q: make a generation of this one with freshet reindex", ErrDefinition, name, digest, want)
		}
	}
	return nil
}

// definitions returns the digest that ensure left in the mapping of each index behind an alias: the server gives a mapping
// back in its own words, with defaults left out, so the text itself can't be compared.
func (x *Indices) definitions(ctx context.Context, alias string) (map[string]string, error) {
	var indices map[string]struct {
		Mappings struct {
			Meta struct {
				Definition string `json:"definition"`
			} `json:"_meta"`
		} `json:"mappings"`
	}
	if err := x.Client.json(ctx, http.MethodGet, "/"+url.PathEscape(alias)+"/_mapping", nil, &indices); err != nil {
		return nil, err
	}
	made := make(map[string]string, len(indices))
	for name, index := range indices {
		made[name] = index.Mappings.Meta.Definition
	}
	return made, nil
}

// Drop deletes the index that Ensure made; one that is not there is no error.
func (x *Indices) Drop(ctx context.Context) error { return x.Discard(ctx, firstGeneration) }
