package seed

import (
	"fmt"
	"strconv"
	"strings"
)

// treeParser reads a kind's file: categories by indentation, and the models below each leaf.
type treeParser struct {
	v    *vocabulary
	kind string
	path []*node // from the top to the last category read
}

func (t *treeParser) add(line string) error {
	text := strings.TrimLeft(line, " ")
	if rest, isModel := strings.CutPrefix(text, "- "); isModel {
		return t.addModel(rest)
	}
	indent := len(line) - len(text)
	depth := indent / 2
	if indent%2 != 0 || depth > len(t.path) {
		return fmt.Errorf("indented by %d below a category of level %d", indent, len(t.path))
	}
	parts, err := fields(text, "|", 6)
	if err != nil {
		return err
	}
	n := &node{slug: parts[0], names: phrase(parts[1:])}
	if depth == 0 {
		t.v.trees[t.kind] = append(t.v.trees[t.kind], n)
	} else {
		parent := t.path[depth-1]
		parent.children = append(parent.children, n)
	}
	t.path = append(t.path[:depth], n)
	return nil
}

func (t *treeParser) addModel(text string) error {
	parts, err := fields(text, ";", 7)
	if err != nil {
		return err
	}
	if len(t.path) == 0 {
		return fmt.Errorf("a model before the first category")
	}
	m := &model{leaf: t.path[len(t.path)-1].slug, traits: map[string][]string{}}
	for i := range langs {
		if m.nouns[i], err = asNoun(i, parts[i]); err != nil {
			return err
		}
	}
	low, high, _ := strings.Cut(parts[5], "-")
	if m.low, err = strconv.ParseInt(low, 10, 64); err != nil {
		return fmt.Errorf("price: %w", err)
	}
	if m.high, err = strconv.ParseInt(high, 10, 64); err != nil {
		return fmt.Errorf("price: %w", err)
	}
	for _, trait := range strings.Fields(parts[6]) {
		name, values, _ := strings.Cut(trait, "=")
		m.traits[name] = list(values)
	}
	t.v.models[t.kind] = append(t.v.models[t.kind], m)
	return nil
}

// has says whether the model has a trait.
func (m *model) has(trait string) bool { return m.traits[trait] != nil }
