package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"freshet/search"
)

// ours is the index of this repository, as projectors/index fills it and api/read asks it.
type ours struct {
	*search.Searcher
	address string
	prefix  string
	writer  *search.Writer
}

func newOurs(ctx context.Context, address, prefix string) (*ours, error) {
	client, err := search.Open([]string{address})
	if err != nil {
		return nil, err
	}
	indices := &search.Indices{Client: client, Prefix: prefix}
	if err := indices.Ensure(ctx); err != nil {
		return nil, err
	}
	return &ours{
		Searcher: search.NewSearcher(client, search.SearcherConfig{Prefix: prefix}), address: address, prefix: prefix,
		writer: search.NewWriter(client, search.WriterConfig{}),
	}, nil
}

func (s *ours) write(ctx context.Context, docs []shelved) error {
	ops := make([]search.Op, len(docs))
	for i := range docs {
		var err error
		if ops[i], err = docs[i].Op(search.Alias(s.prefix)); err != nil {
			return err
		}
	}
	results, err := s.writer.Publish(ctx, ops)
	if err != nil {
		return err
	}
	for i, r := range results {
		if r.Outcome == search.Refused {
			return fmt.Errorf("document %s: %w", ops[i].ID, r.Reason)
		}
	}
	return nil
}

// settle has nothing to do: what is published is searchable.
func (s *ours) settle(context.Context) error { return nil }

func (s *ours) bytes(ctx context.Context) (int64, error) {
	stats, err := s.stats(ctx)
	return stats.Store.Size, err
}

// indexStats is what the server counts of our indices.
type indexStats struct {
	Store struct {
		Size int64 `json:"size_in_bytes"`
	} `json:"store"`
	Search struct {
		Queries int64 `json:"query_total"`
	} `json:"search"`
}

// stats asks the server, which counts a search once for each shard: one of ours has one.
func (s *ours) stats(ctx context.Context) (stats indexStats, err error) {
	ctx, cancel := context.WithTimeout(ctx, bazaarPatience)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.address+"/"+s.prefix+"-offers/_stats/store,search", nil)
	if err != nil {
		return stats, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return stats, fmt.Errorf("ask for the statistics of the index: %w", err)
	}
	defer func() { err = errors.Join(err, response.Body.Close()) }()
	if response.StatusCode != http.StatusOK {
		return stats, fmt.Errorf("ask for the statistics of the index: %s", response.Status)
	}
	var answer struct {
		All struct {
			Primaries indexStats `json:"primaries"`
		} `json:"_all"`
	}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		return stats, fmt.Errorf("decode the statistics of the index: %w", err)
	}
	return answer.All.Primaries, nil
}
