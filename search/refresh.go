package search

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// Refresh makes everything written to the aliases searchable before it returns.
func (w *Writer) Refresh(ctx context.Context, aliases ...string) error {
	if len(aliases) == 0 {
		return nil
	}
	names := make([]string, len(aliases))
	for i, a := range aliases {
		names[i] = url.PathEscape(a)
	}
	ctx, cancel := context.WithTimeout(ctx, w.cfg.Timeout)
	defer cancel()
	var answer struct {
		Shards struct {
			Failed int `json:"failed"`
		} `json:"_shards"`
	}
	list := strings.Join(names, ",")
	if err := w.client.do(ctx, http.MethodPost, "/"+list+"/_refresh", "", nil, &answer); err != nil {
		return fmt.Errorf("refresh: %w", err)
	}
	if answer.Shards.Failed > 0 {
		return fmt.Errorf("refresh %s: %d shards failed", list, answer.Shards.Failed)
	}
	return nil
}
