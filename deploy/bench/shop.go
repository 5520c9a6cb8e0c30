package bench

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"golang.org/x/sync/errgroup"
)

// storeInfo, card and the rest are what we need of the read API's answers.
type storeInfo struct {
	ID        int64
	Code      string
	Currency  string
	Languages []string
}

type card struct {
	Product int64
	Title   string
	Price   int64
}

type section struct {
	ID    int64
	Count int64
	Cards []card
}

type homePage struct{ Categories []section }

type categoryPage struct {
	ID       int64
	Children []section
	Cards    []card
}

type productPage struct{ Price int64 }

type facet struct {
	Code, Kind string
	Min, Max   *float64
	Values     []facetValue
}

type facetValue struct {
	Value, Label string
	Count        int64
}

type searchPage struct {
	Total    int64
	Products []card
	Facets   []facet
}

func homePath(store int64, lang string) string {
	return fmt.Sprintf("/api/v1/stores/%d/home?lang=%s", store, lang)
}

func categoryPath(store, category int64, lang string) string {
	return fmt.Sprintf("/api/v1/stores/%d/categories/%d?lang=%s", store, category, lang)
}

func productPath(store, product int64, lang string) string {
	return fmt.Sprintf("/api/v1/stores/%d/products/%d?lang=%s", store, product, lang)
}

func searchPath(store int64, lang string) string {
	return fmt.Sprintf("/api/v1/stores/%d/search?lang=%s", store, lang)
}

// front is what a shopper can come to in one store.
type front struct {
	storeInfo
	Categories []int64
	Products   []int64
	Words      []string // of the titles in the store's first language
}

// errEmpty says that the read API shows no shop to measure.
var errEmpty = errors.New("the read API shows no store with products: seed the shop and wait until the projectors have caught up")

// readStores lists the open stores.
func readStores(ctx context.Context, c *client) ([]storeInfo, error) {
	var list struct{ Stores []storeInfo }
	if err := c.read(ctx, "/api/v1/stores", &list); err != nil {
		return nil, fmt.Errorf("list the stores: %w", err)
	}
	if len(list.Stores) == 0 {
		return nil, errEmpty
	}
	return list.Stores, nil
}

// walkers bounds how many stores are walked at once: looking around must not load the machine more than the benchmark.
const walkers = 4

// walk looks around all stores as a crawler would: home pages, then down all categories.
func walk(ctx context.Context, c *client, note func(string, ...any)) ([]*front, error) {
	stores, err := readStores(ctx, c)
	if err != nil {
		return nil, err
	}
	note("looking around %d stores", len(stores))
	fronts := make([]*front, len(stores))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(walkers)
	for i, s := range stores {
		group.Go(func() (err error) {
			fronts[i], err = walkStore(ctx, c, s)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	fronts = slices.DeleteFunc(fronts, func(f *front) bool { return len(f.Products) == 0 })
	if len(fronts) == 0 {
		return nil, errEmpty
	}
	return fronts, nil
}

func walkStore(ctx context.Context, c *client, s storeInfo) (*front, error) {
	f := &front{storeInfo: s}
	lang := s.Languages[0]
	var home homePage
	if err := c.read(ctx, homePath(s.ID, lang), &home); err != nil {
		return nil, fmt.Errorf("look around store %d: %w", s.ID, err)
	}
	products, words := map[int64]bool{}, map[string]bool{}
	open := home.Categories
	for len(open) > 0 {
		at := open[0]
		open = open[1:]
		var page categoryPage
		if err := c.read(ctx, categoryPath(s.ID, at.ID, lang), &page); err != nil {
			return nil, fmt.Errorf("look around store %d: %w", s.ID, err)
		}
		f.Categories = append(f.Categories, at.ID)
		open = append(open, page.Children...)
		for _, item := range page.Cards {
			if !products[item.Product] {
				products[item.Product] = true
				f.Products = append(f.Products, item.Product)
			}
			for _, w := range titleWords(item.Title) {
				words[w] = true
			}
		}
	}
	for w := range words {
		f.Words = append(f.Words, w)
	}
	slices.Sort(f.Words) // of a map, and the same queries shall be asked in every run
	return f, nil
}

// titleWords are the words of a title that a shopper would type: no articles, no figures.
func titleWords(title string) []string {
	return slices.DeleteFunc(strings.FieldsFunc(strings.ToLower(title), func(r rune) bool { return !unicode.IsLetter(r) }),
		func(w string) bool { return len([]rune(w)) < 4 })
}
