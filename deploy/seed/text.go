package seed

import (
	"strconv"
	"strings"

	"freshet/api/write/slug"
)

// title composes what a product is called: in the Romance languages and German the noun, what agrees with it, the brand;
// in English the brand first.
func (s *shop) title(p *product, lang int) string {
	n := p.model.nouns[lang]
	var before, after []string // of the noun
	add := func(f forms) {
		if lang == german || lang == english {
			before = append(before, f.adjective(lang, n))
		} else {
			after = append(after, f.adjective(lang, n))
		}
	}
	if p.adjective >= 0 {
		add(s.words.adjectives[kinds[p.kind]][p.adjective])
	}
	if p.colour >= 0 {
		add(s.words.colours[p.colour].forms)
	}
	text := n.text
	if m, found := s.words.materials[p.material]; found {
		joined, short := compound(m.compound, n)
		switch {
		case lang == english:
			before = append(before, m.phrases[lang])
		case lang == german && short:
			text = joined
		default:
			after = append(after, m.phrases[lang])
		}
	}
	if p.origin != nil {
		after = append(after, p.origin.phrases[lang])
	}
	words := append(append(before, text), after...)
	if lang == english {
		words = append([]string{p.brandName}, words...)
	} else {
		words = append(words, p.brandName)
	}
	if p.series != "" {
		words = append(words, p.series)
	}
	if len(p.variants) == 1 && p.variants[0].key == "pack" {
		words = append(words, p.variants[0].value)
	}
	return capital(strings.Join(words, " "))
}

// description is two or three sentences; those about an origin only where there is one.
func (s *shop) description(p *product, lang int) string {
	origin := ""
	if p.origin != nil {
		origin = p.origin.phrases[lang]
	}
	var parts []string
	for i, template := range s.words.sentences[kinds[p.kind]][lang] {
		if strings.Contains(template, "{origin}") && origin == "" {
			continue
		}
		if i > 0 && (p.id+int64(i))%3 == 0 {
			continue
		}
		parts = append(parts, sentence(template, lang, p.model.nouns[lang], p.brandName, origin))
	}
	return strings.Join(parts, " ")
}

func productSlug(title string, id int64) string {
	return slug.Make(title, 140) + "-" + strconv.FormatInt(id, 10)
}
