package search

import (
	"bytes"
	_ "embed" // the defaults
	"errors"
	"fmt"
	"io"
	"regexp"
	"sync"

	"go.yaml.in/yaml/v3"
)

//go:embed relevance.yaml
var relevanceFile []byte

// Relevance is what the words of a query are worth in a language; relevance.yaml says what each is.
type Relevance struct {
	Title          float64 `yaml:"title"`
	TitleExact     float64 `yaml:"title_exact"`
	BrandName      float64 `yaml:"brand_name"`
	Description    float64 `yaml:"description"`
	Reference      float64 `yaml:"reference"`
	Brand          float64 `yaml:"brand"`
	Category       float64 `yaml:"category"`
	Measure        float64 `yaml:"measure"`
	Synonym        float64 `yaml:"synonym"`
	Enough         string  `yaml:"enough"`
	EnoughMisspelt string  `yaml:"enough_misspelt"`
}

// Settings are the relevance of each language.
type Settings struct {
	It Relevance `yaml:"it"`
	Fr Relevance `yaml:"fr"`
	De Relevance `yaml:"de"`
	Es Relevance `yaml:"es"`
	En Relevance `yaml:"en"`
}

func (s *Settings) of(lang string) *Relevance {
	switch lang {
	case "it":
		return &s.It
	case "fr":
		return &s.Fr
	case "de":
		return &s.De
	case "es":
		return &s.Es
	default: // Query.Validate has seen to it that there is no other
		return &s.En
	}
}

// defaultSettings are those of relevance.yaml.
var defaultSettings = sync.OnceValue(func() *Settings {
	s, err := readInto(&Settings{}, bytes.NewReader(relevanceFile))
	if err != nil {
		panic(fmt.Sprintf("relevance.yaml: %v", err)) // a test reads it
	}
	return s
})

// ReadSettings reads a file like relevance.yaml over the defaults: what it does not name stays as it is, and a name that
// there is not is an error.
func ReadSettings(r io.Reader) (*Settings, error) {
	own := *defaultSettings()
	return readInto(&own, r)
}

func readInto(s *Settings, r io.Reader) (*Settings, error) {
	decoder := yaml.NewDecoder(r)
	decoder.KnownFields(true)
	if err := decoder.Decode(s); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("read the relevance settings: %w", err)
	}
	for _, lang := range Languages() {
		if err := s.of(lang).validate(); err != nil {
			return nil, fmt.Errorf("relevance settings of %s: %w", lang, err)
		}
	}
	return s, nil
}

var needed = regexp.MustCompile(`^(-?\d+%?|\d+<-?\d+%?( \d+<-?\d+%?)*)$`)

// maxWorth bounds a weight: scores are floats of 32 bits, and pins are worth more than any text.
const maxWorth = 1000

func (r *Relevance) validate() error {
	for name, worth := range map[string]float64{
		"title": r.Title, "title_exact": r.TitleExact, "brand_name": r.BrandName, "description": r.Description, "reference": r.Reference,
		"brand": r.Brand, "category": r.Category, "measure": r.Measure, "synonym": r.Synonym,
	} {
		if !(worth >= 0 && worth <= maxWorth) { // NaN is neither
			return fmt.Errorf("%s is %g, want 0 to %d", name, worth, maxWorth)
		}
	}
	for name, clause := range map[string]string{"enough": r.Enough, "enough_misspelt": r.EnoughMisspelt} {
		if !needed.MatchString(clause) {
			return fmt.Errorf(`%s is %q, want something like "3<-1 6<75%%"`, name, clause)
		}
	}
	return nil
}
