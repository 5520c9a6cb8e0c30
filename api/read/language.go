package read

import (
	"slices"
	"strings"

	"golang.org/x/text/language"

	"freshet/api"
)

// maxAccept bounds the header that is parsed; browsers send less than a hundred bytes.
const maxAccept = 256

// choose picks one of the store's languages, of which the first is the default: the one that lang names, else the best
// match for Accept-Language. A lang that the store doesn't have is an error, since whoever names one means it; a header
// that nothing matches is not.
func choose(languages []string, lang string, given bool, accept string) (string, error) {
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
	tags := make([]language.Tag, len(languages))
	for i, l := range languages {
		tags[i] = language.Make(l)
	}
	_, index, confidence := language.NewMatcher(tags).Match(wanted...)
	if confidence == language.No {
		return languages[0], nil
	}
	return languages[index], nil
}
