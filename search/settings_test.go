package search

import (
	"strings"
	"testing"
)

func TestSettings(t *testing.T) {
	own, err := ReadSettings(strings.NewReader("de: {title: 4, enough: 2<-1}\nfr:\n  description: 0\n"))
	if err != nil {
		t.Fatal(err)
	}
	def := defaultSettings()
	if own.De.Title != 4 || own.De.Enough != "2<-1" || own.De.Brand != def.De.Brand || own.Fr.Description != 0 || own.It != def.It || def.De.Title == 4 {
		t.Errorf("%+v", own)
	}
	if own, err := ReadSettings(strings.NewReader("")); err != nil || *own != *def {
		t.Errorf("of an empty file: %+v, %v", own, err)
	}
	for file, part := range map[string]string{
		"pt: {title: 1}": "pt", "it: {titel: 1}": "titel", "it: {title: -1}": "title is -1", "en: {title: .nan}": "title", "it: {title: high}": "high",
		"es: {brand: 100000}": "1000", "it: {enough: most}": "most", "fr: {enough_misspelt: ''}": "enough_misspelt", "[": "relevance",
	} {
		if _, err := ReadSettings(strings.NewReader(file)); err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%s: error %v, want one of %q", file, err, part)
		}
	}
}

// TestSettingsRank has a word in a description outweigh the one in a title.
func TestSettingsRank(t *testing.T) {
	client, prefix := server(t)
	described := offerView(1, 1, "Borraccia")
	described.Texts[0].Description = "per il caffè"
	index(t, client, prefix, shop(1), described, offerView(2, 1, "Caffè"))
	own, err := ReadSettings(strings.NewReader("it: {title: 0.1, title_exact: 0.1, description: 50}"))
	if err != nil {
		t.Fatal(err)
	}
	for first, settings := range map[int64]*Settings{2: nil, 1: own} {
		s := NewSearcher(client, SearcherConfig{Prefix: prefix, Settings: settings})
		r, err := s.Search(t.Context(), query(func(q *Query) { q.Text, q.Limit = "caffè", 10 }), shop(1))
		if err != nil {
			t.Fatal(err)
		}
		if len(r.Hits) != 2 || r.Hits[0].Product != first {
			t.Errorf("hits %v, want %d first", r.Hits, first)
		}
	}
}
