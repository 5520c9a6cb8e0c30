package relevance

import (
	"embed"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"freshet/projectors/dimension"
	"freshet/projectors/view"
	"freshet/search"
)

//go:embed data
var files embed.FS

// Store is the one store of the catalog.
const Store = 1

// created is when every product came: age must not decide anything here.
const created = "2026-01-02T03:04:05Z"

// Catalog is the shop that the built-in judgments are about.
type Catalog struct {
	Dimensions *dimension.Set
	Views      []*view.Offer
	ids        map[string]int64
	keys       []string // by id, from 1
	judged     map[string][]Judgment
}

// Open reads the built-in catalog and its judgments.
func Open() (*Catalog, error) {
	c := &Catalog{ids: make(map[string]int64), judged: make(map[string][]Judgment)}
	rows := dimension.Rows{Stores: []dimension.Store{
		{ID: Store, Code: "relevance", Name: "Relevance", Market: "it", Currency: "EUR", Languages: search.Languages(), TreeID: 1, Active: true},
	}}
	categories, err := c.readCategories(&rows)
	if err != nil {
		return nil, fmt.Errorf("categories: %w", err)
	}
	if err := c.readProducts(&rows, categories); err != nil {
		return nil, fmt.Errorf("catalog: %w", err)
	}
	if err := c.readSynonyms(&rows); err != nil {
		return nil, fmt.Errorf("synonyms: %w", err)
	}
	c.Dimensions = dimension.NewSet(1, rows)
	for _, lang := range search.Languages() {
		if err := c.readJudgments(lang); err != nil {
			return nil, fmt.Errorf("judgments of %s: %w", lang, err)
		}
	}
	return c, nil
}

// Judgments returns the judged queries of a language.
func (c *Catalog) Judgments(lang string) []Judgment { return c.judged[lang] }

// Name returns what the files call a product.
func (c *Catalog) Name(product int64) string { return c.keys[product-1] }

func read(name string, fn func(line string) error) error {
	f, err := files.Open("data/" + name)
	if err != nil {
		return err
	}
	if err := eachLine(f, fn); err != nil {
		return err
	}
	return f.Close()
}

// readCategories reads "key | it | fr | de | es | en"; a key of the form "parent/key" stands below another.
func (c *Catalog) readCategories(rows *dimension.Rows) (map[string]int64, error) {
	ids := make(map[string]int64)
	return ids, read("categories.txt", func(line string) error {
		columns := fields(line)
		if len(columns) != 1+len(search.Languages()) {
			return fmt.Errorf("%w: want a key and five names", errFormat)
		}
		id := int64(len(ids) + 1)
		category := dimension.Category{ID: id, TreeID: 1, Position: id, Slug: fmt.Sprintf("c%d", id), Active: true}
		parent, name, below := strings.Cut(columns[0], "/")
		if !below {
			name = parent
		} else if p, ok := ids[parent]; ok {
			category.ParentID = &p
		} else {
			return fmt.Errorf("%w: there is no category %q", errFormat, parent)
		}
		ids[name] = id
		rows.Categories = append(rows.Categories, category)
		for i, lang := range search.Languages() {
			rows.Texts = append(rows.Texts, dimension.CategoryText{CategoryID: id, Lang: lang, Name: columns[1+i]})
		}
		return nil
	})
}

// readProducts reads "key | brand | category | SKU | GTIN" and a title in each language, one a line.
func (c *Catalog) readProducts(rows *dimension.Rows, categories map[string]int64) error {
	brands, langs := make(map[string]int64), search.Languages()
	var v *view.Offer
	return read("catalog.txt", func(line string) error {
		if v != nil && len(v.Texts) < len(langs) {
			title, description, _ := strings.Cut(line, " -- ")
			v.Texts = append(v.Texts, view.Text{Lang: langs[len(v.Texts)], Title: title, Description: description, Slug: "p"})
			return nil
		}
		columns := fields(line)
		if len(columns) != 5 || categories[columns[2]] == 0 {
			return fmt.Errorf("%w: want key | brand | category | SKU | GTIN", errFormat)
		}
		if _, twice := c.ids[columns[0]]; twice {
			return fmt.Errorf("%w: product %q is there twice", errFormat, columns[0])
		}
		c.keys = append(c.keys, columns[0])
		c.ids[columns[0]] = int64(len(c.keys))
		if brands[columns[1]] == 0 {
			brands[columns[1]] = int64(len(brands) + 1)
			rows.Brands = append(rows.Brands, dimension.Brand{ID: brands[columns[1]], Name: columns[1], Slug: "b"})
		}
		v = &view.Offer{
			Version: 1, Store: Store, Product: int64(len(c.keys)), Visible: true, Boost: 1, CreatedAt: created, Price: 1000, Available: 9,
			Brand: brands[columns[1]], BrandName: columns[1], GTIN: columns[4],
			Categories: []view.Category{{ID: categories[columns[2]]}}, Variants: []view.Variant{{SKU: columns[3], Available: 9}},
		}
		c.Views = append(c.Views, v)
		return nil
	})
}

// readSynonyms reads "lang | term | term …", as rows of search_synonyms.
func (c *Catalog) readSynonyms(rows *dimension.Rows) error {
	return read("synonyms.txt", func(line string) error {
		columns := fields(line)
		if len(columns) < 3 || !slices.Contains(search.Languages(), columns[0]) {
			return fmt.Errorf("%w: want lang | term | term", errFormat)
		}
		row := dimension.Synonyms{ID: int64(len(rows.Synonyms) + 1), Lang: columns[0], Terms: columns[1:], Active: true}
		rows.Synonyms = append(rows.Synonyms, row)
		return nil
	})
}

// readJudgments joins those of the language with those that are the same in all.
func (c *Catalog) readJudgments(lang string) error {
	for _, name := range []string{"queries_all.txt", "queries_" + lang + ".txt"} {
		f, err := files.Open("data/" + name)
		if err != nil {
			return err
		}
		judged, err := c.judge(f)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		c.judged[lang] = append(c.judged[lang], judged...)
	}
	return nil
}

func (c *Catalog) judge(f fs.File) ([]Judgment, error) {
	judged, err := Judgments(f, func(name string) (int64, bool) { id, ok := c.ids[name]; return id, ok })
	if err != nil {
		return nil, err
	}
	return judged, f.Close()
}
