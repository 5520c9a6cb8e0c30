package read

import (
	"slices"
	"strings"
	"sync"

	"golang.org/x/text/language"

	"freshet/api"
)

// maxAccept bounds the header that is parsed; browsers send less than a hundred bytes.
const maxAccept = 256

// matchers are made once for each list of languages: to make one takes ten times as long as to use it. There are no more of
// them than lists that the schema lets a store have.
type matchers struct {
	mu   sync.Mutex
	made map[string]language.Matcher // by the languages with commas between
}

func (m *matchers) of(languages []string) language.Matcher {
	key := strings.Join(languages, ",")
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.made[key] == nil {
		tags := make([]language.Tag, len(languages))
		for i, l := range languages {
			tags[i] = language.Make(l)
		}
		m.made[key] = language.NewMatcher(tags)
	}
	return m.made[key]
}

// choose picks one of the store's languages, of which the first is the default: the one that lang names, else the best
// match for Accept-Language. A lang that the store doesn't have is an error, since whoever names one means it; a header
// that nothing matches is not.
func (m *matchers) choose(languages []string, lang string, given bool, accept string) (string, error) {
	if given {
		if !slices.Contains(languages, lang) {
			return "", api.Errorf(api.Invalid, "The store's languages are %s.", strings.Join(languages, ", ")).At("lang")
		}
		return lang, nil
	}
	if accept == "" || len(accept) > maxAccept || len(languages) == 1 {
		return languages[0], nil
	}
	wanted, _, err := language.ParseAcceptLanguage(accept)
	if err != nil || len(wanted) == 0 {
		return languages[0], nil
	}
	_, index, confidence := m.of(languages).Match(wanted...)
	if confidence == language.No {
		return languages[0], nil
	}
	return languages[index], nil
}
