package tree

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"freshet/projectors/view"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// Each file is a script: a line of changes, then what became of the pages, after an arrow. The store and its tree are
// those of newWorld.
//
//	view PRODUCT v=N cat=11,12 price=N stock=N pop=N hidden deleted
//	category ID parent=N pos=N name=X hidden
//	store langs=it,de closed
func TestGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("golden files: %v, %v", files, err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			raw, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := play(t, string(raw))
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
					t.Fatal(err)
				}
			} else if got != string(raw) {
				t.Errorf("got\n%s", got)
			}
		})
	}
}

// play runs a script and returns it with the pages as they became.
func play(t *testing.T, script string) string {
	t.Helper()
	w, pages, newest := newWorld(), shelf{}, map[int64]*view.Offer{}
	st := newState(w, 7)
	if _, err := pages.store(st); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	for line := range strings.Lines(script) {
		if strings.HasPrefix(line, "  → ") {
			continue
		}
		out.WriteString(line)
		words := strings.Fields(line)
		if len(words) == 0 || words[0] == "#" {
			continue
		}
		st = step(t, w, st, newest, words)
		before := maps.Clone(pages)
		if _, err := pages.store(st); err != nil {
			t.Fatal(err)
		}
		for _, id := range slices.Sorted(maps.Keys(pages)) {
			if fmt.Sprint(before[id]) != fmt.Sprint(pages[id]) {
				fmt.Fprintf(&out, "  → %s %s\n", id, brief(pages[id]))
			}
		}
		for _, id := range slices.Sorted(maps.Keys(before)) {
			if pages[id] == nil {
				fmt.Fprintf(&out, "  → %s gone\n", id)
			}
		}
	}
	return out.String()
}

func step(t *testing.T, w *world, st *state, newest map[int64]*view.Offer, words []string) *state {
	t.Helper()
	args, number := map[string]string{}, func(s string) int64 {
		n, err := strconv.ParseInt(s, 10, 64)
		if err != nil && s != "" {
			t.Fatalf("%v: %v", words, err)
		}
		return n
	}
	for _, word := range words[1:] {
		name, value, _ := strings.Cut(word, "=")
		args[name] = value
	}
	_, hidden := args["hidden"]
	switch words[0] {
	case "view":
		v := offering(number(words[1]))
		v.Version, v.Price, v.Available, v.Visible, v.Images, v.BrandName = number(args["v"]), number(args["price"]), number(args["stock"]), !hidden, nil, ""
		v.Popularity = float64(number(args["pop"]))
		_, v.Deleted = args["deleted"]
		for c := range strings.SplitSeq(args["cat"], ",") {
			v.Categories = append(v.Categories, view.Category{ID: number(c)})
		}
		if st.Apply(v) {
			newest[v.Product] = v
		}
		return st
	case "category":
		w.put(number(words[1]), number(args["parent"]), number(args["pos"]), !hidden, args["name"])
	case "store":
		s := w.stores[7]
		_, closed := args["closed"]
		s.Active, s.Languages = !closed, strings.Split(args["langs"], ",")
		w.stores[7] = s
	default:
		t.Fatalf("unknown command %v", words)
	}
	return redo(st, w, newest)
}

// brief is a page in one line: name, count, children and cards.
func brief(p page) string {
	cards := func(list []Card) string {
		var words []string
		for _, c := range list {
			word := fmt.Sprintf("%s=%d", c.Slug, c.Price)
			if !c.InStock {
				word += "(out)"
			}
			words = append(words, word)
		}
		return "[" + strings.Join(words, " ") + "]"
	}
	switch p := p.(type) {
	case Home:
		var words []string
		for _, c := range p.Categories {
			words = append(words, fmt.Sprintf("%s:%d%s", c.Name, c.Count, cards(c.Cards)))
		}
		return strings.Join(words, " ")
	case Node:
		var path, children []string
		for _, c := range p.Breadcrumbs {
			path = append(path, c.Name)
		}
		for _, c := range p.Children {
			children = append(children, fmt.Sprintf("%s:%d", c.Name, c.Count))
		}
		return fmt.Sprintf("%s:%d {%s} %s", strings.Join(path, ">"), p.Count, strings.Join(children, " "), cards(p.Cards))
	}
	return ""
}
