package seed

import (
	"bufio"
	"embed"
	"fmt"
	"strconv"
	"strings"
)

//go:embed data/*.txt
var data embed.FS

// langs are the shop's languages; every array of five is in this order. They are the markets too.
var langs = [5]string{"it", "fr", "de", "es", "en"}

// kinds are the kinds of products, each with a category tree of its own.
var kinds = [4]string{"grocery", "fashion", "home", "electronics"}

type phrase [5]string

// vocabulary is everything the data files say.
type vocabulary struct {
	trees      map[string][]*node // by kind
	models     map[string][]*model
	adjectives map[string][]forms
	colours    []colour
	materials  map[string]material
	origins    map[string][]origin // by set
	brands     map[string][]string
	sentences  map[string][5][]string // by kind
	people     [5]people
	stores     map[string]phrase
	attributes []attribute
	synonyms   []synonym
}

type node struct {
	slug     string
	names    phrase
	children []*node
}

// model is a thing that many products are of.
type model struct {
	leaf      string
	nouns     [5]noun
	low, high int64 // euro cents
	traits    map[string][]string
}

// forms are an adjective's: in a Romance language the four of m, f, mp, fp; in German the stem; in English the word.
type forms [5][4]string

type colour struct {
	code  string
	forms forms
}

type material struct {
	phrases  phrase
	compound string // what begins a German compound
}

type origin struct {
	code    string
	phrases phrase
}

type people struct{ first, last, cities, streets []string }

type attribute struct {
	code, kind, unit string
	facet            bool
	slot             *int32
	labels           phrase
}

type synonym struct {
	lang  string
	terms []string
}

func loadVocabulary() (*vocabulary, error) {
	v := &vocabulary{
		trees: map[string][]*node{}, models: map[string][]*model{}, adjectives: map[string][]forms{}, materials: map[string]material{},
		origins: map[string][]origin{}, brands: map[string][]string{}, sentences: map[string][5][]string{}, stores: map[string]phrase{},
	}
	files := map[string]func(string) error{
		"adjectives": v.addAdjective, "colours": v.addColour, "materials": v.addMaterial, "origins": v.addOrigin, "brands": v.addBrands,
		"sentences": v.addSentence, "people": v.addPeople, "stores": v.addStore, "attributes": v.addAttribute, "synonyms": v.addSynonym,
	}
	for _, kind := range kinds {
		t := treeParser{v: v, kind: kind}
		files[kind] = t.add
	}
	for name, add := range files {
		if err := eachLine(name, add); err != nil {
			return nil, err
		}
	}
	return v, nil
}

func eachLine(name string, add func(string) error) error {
	file, err := data.Open("data/" + name + ".txt")
	if err != nil {
		return fmt.Errorf("open the vocabulary: %w", err)
	}
	defer func() { _ = file.Close() }()
	lines := bufio.NewScanner(file)
	for number := 1; lines.Scan(); number++ {
		line := lines.Text()
		if strings.HasPrefix(line, "#") || strings.TrimSpace(line) == "" {
			continue
		}
		if err := add(line); err != nil {
			return fmt.Errorf("read the vocabulary: %s.txt line %d: %w", name, number, err)
		}
	}
	return lines.Err()
}

// fields splits a line at the separator into exactly n trimmed parts.
func fields(line, separator string, n int) ([]string, error) {
	parts := strings.Split(line, separator)
	if len(parts) != n {
		return nil, fmt.Errorf("%d parts, want %d", len(parts), n)
	}
	for i := range parts {
		parts[i] = strings.TrimSpace(parts[i])
	}
	return parts, nil
}

func asForms(parts []string) (forms, error) {
	var f forms
	for i, part := range parts {
		words := strings.Fields(part)
		switch {
		case i == 4: // English: the whole of it
			f[i] = [4]string{part, part, part, part}
		case len(words) == 1:
			f[i] = [4]string{words[0], words[0], words[0], words[0]}
		case len(words) == 2:
			f[i] = [4]string{words[0], words[0], words[1], words[1]}
		case len(words) == 4:
			f[i] = [4]string(words)
		default:
			return f, fmt.Errorf("%q has %d forms, want 1, 2 or 4", part, len(words))
		}
	}
	return f, nil
}

func (v *vocabulary) addAdjective(line string) error {
	parts, err := fields(line, "|", 6)
	if err != nil {
		return err
	}
	f, err := asForms(parts[1:])
	v.adjectives[parts[0]] = append(v.adjectives[parts[0]], f)
	return err
}

func (v *vocabulary) addColour(line string) error {
	parts, err := fields(line, "|", 6)
	if err != nil {
		return err
	}
	f, err := asForms(parts[1:])
	v.colours = append(v.colours, colour{parts[0], f})
	return err
}

func (v *vocabulary) addMaterial(line string) error {
	parts, err := fields(line, "|", 7)
	if err != nil {
		return err
	}
	v.materials[parts[0]] = material{phrase{parts[1], parts[2], parts[3], parts[5], parts[6]}, parts[4]}
	return nil
}

func (v *vocabulary) addOrigin(line string) error {
	parts, err := fields(line, "|", 7)
	if err != nil {
		return err
	}
	v.origins[parts[0]] = append(v.origins[parts[0]], origin{parts[1], phrase(parts[2:])})
	return nil
}

func (v *vocabulary) addBrands(line string) error {
	parts, err := fields(line, "|", 2)
	if err != nil {
		return err
	}
	v.brands[parts[0]] = list(parts[1])
	return nil
}

func (v *vocabulary) addStore(line string) error {
	parts, err := fields(line, "|", 6)
	if err != nil {
		return err
	}
	v.stores[parts[0]] = phrase(parts[1:])
	return nil
}

func (v *vocabulary) addSynonym(line string) error {
	parts, err := fields(line, "|", 2)
	if err != nil {
		return err
	}
	v.synonyms = append(v.synonyms, synonym{parts[0], list(parts[1])})
	return nil
}

func (v *vocabulary) addSentence(line string) error {
	head, sentence, _ := strings.Cut(line, "|") // a sentence has bars of its own
	kind, lang, found := strings.Cut(strings.TrimSpace(head), " ")
	i := langIndex(lang)
	if !found || i < 0 {
		return fmt.Errorf("%q is not a kind and a language", head)
	}
	all := v.sentences[kind]
	all[i] = append(all[i], strings.TrimSpace(sentence))
	v.sentences[kind] = all
	return nil
}

func (v *vocabulary) addPeople(line string) error {
	head, names, _ := strings.Cut(line, "|")
	lang, what, _ := strings.Cut(strings.TrimSpace(head), " ")
	i := langIndex(lang)
	if i < 0 {
		return fmt.Errorf("%q is not a market", lang)
	}
	p := &v.people[i]
	target := map[string]*[]string{"first": &p.first, "last": &p.last, "city": &p.cities, "street": &p.streets}[what]
	if target == nil {
		return fmt.Errorf("%q is not first, last, city or street", what)
	}
	*target = list(names)
	return nil
}

func (v *vocabulary) addAttribute(line string) error {
	parts, err := fields(line, "|", 10)
	if err != nil {
		return err
	}
	a := attribute{code: parts[0], kind: parts[1], facet: parts[2] == "yes", unit: parts[4], labels: phrase(parts[5:])}
	if parts[3] != "" {
		slot, err := strconv.ParseInt(parts[3], 10, 32)
		if err != nil {
			return fmt.Errorf("slot: %w", err)
		}
		narrow := int32(slot)
		a.slot = &narrow
	}
	v.attributes = append(v.attributes, a)
	return nil
}

func langIndex(lang string) int {
	for i, l := range langs {
		if l == lang {
			return i
		}
	}
	return -1
}

func list(s string) []string {
	parts := strings.Split(s, ",")
	for i := range parts {
		parts[i] = strings.TrimSpace(parts[i])
	}
	return parts
}
