package seed

import (
	"fmt"
	"sort"
	"strconv"
	"strings"
	"time"

	"freshet/api/write/slug"
)

// shop is the plan of everything that is loaded: small things whole, large ones as functions of their ids.
type shop struct {
	cfg        Config
	words      *vocabulary
	trees      []tree
	categories []category
	brands     []string         // the id is the place plus one
	brandIDs   map[string]int64 // by name
	sellers    []string
	stores     []store
	products   []product
	assortment [][]int32 // by store: places in products, the most popular first
	customers  int64
	weights    []int64 // see salesWeights
}

type tree struct {
	id   int64
	code string
	ids  map[string]int64 // category by slug
}

type category struct {
	id, tree, parent int64 // parent 0 at the top
	position         int64
	node             *node
}

type store struct {
	id       int64
	kind     string
	market   int // index into langs
	code     string
	name     string
	currency string
	langs    []string
	tree     int64
}

// departmentKind is the kind of store that sells all kinds.
const departmentKind = "department"

func newShop(cfg Config, words *vocabulary) *shop {
	s := &shop{cfg: cfg, words: words, brandIDs: map[string]int64{}}
	s.plantTrees()
	for _, kind := range kinds {
		for _, name := range words.brands[kind] {
			s.brands = append(s.brands, name)
			s.brandIDs[name] = int64(len(s.brands))
		}
	}
	s.nameSellers()
	s.openStores()
	s.customers = max(20, int64(cfg.Products)/4)
	s.products = make([]product, cfg.Products)
	for i := range s.products {
		s.products[i] = s.newProduct(int64(i) + 1)
	}
	s.stockStores()
	return s
}

// plantTrees makes a tree of each kind, and the department stores', which holds them all side by side.
func (s *shop) plantTrees() {
	var all []*node
	for i, kind := range kinds {
		s.plant(tree{int64(i) + 1, kind, map[string]int64{}}, s.words.trees[kind])
		all = append(all, s.words.trees[kind]...)
	}
	s.plant(tree{int64(len(kinds)) + 1, departmentKind, map[string]int64{}}, all)
}

func (s *shop) plant(t tree, nodes []*node) {
	var walk func(parent int64, nodes []*node)
	walk = func(parent int64, nodes []*node) {
		for i, n := range nodes {
			id := int64(len(s.categories)) + 1
			s.categories = append(s.categories, category{id, t.id, parent, int64(i) + 1, n})
			t.ids[n.slug] = id
			walk(id, n.children)
		}
	}
	walk(0, nodes)
	s.trees = append(s.trees, t)
}

func (s *shop) nameSellers() {
	taken := map[string]bool{}
	count := min(400, max(5, s.cfg.Products/150))
	for i := 0; len(s.sellers) < count; i++ {
		d := s.dice(forSeller, int64(i), 0)
		market := i % len(langs)
		last := pick(&d, s.words.people[market].last)
		city, _ := splitCity(pick(&d, s.words.people[market].cities))
		name := strings.NewReplacer("{last}", last, "{city}", city).Replace(
			pick(&d, [5][]string{
				{"{last} Forniture", "Fratelli {last}", "{last} & Figli {city}"},
				{"Maison {last}", "{last} & Fils", "Comptoir de {city}"},
				{"{last} Handel", "Gebrüder {last}", "{city}er Kontor"},
				{"Distribuciones {last}", "Hermanos {last}", "Comercial {city}"},
				{"{last} Supplies", "{last} & Daughters", "{city} Trading"},
			}[market]))
		if taken[name] {
			name += " " + strconv.Itoa(i+1)
		}
		taken[name] = true
		s.sellers = append(s.sellers, name)
	}
}

// kindsOfStores repeats: a department store for each market, then seven that sell one kind.
var kindsOfStores = [12]string{
	departmentKind, departmentKind, departmentKind, departmentKind, departmentKind,
	"grocery", "fashion", "home", "electronics", "grocery", "fashion", "home",
}

func (s *shop) openStores() {
	trees := map[string]int64{}
	for _, t := range s.trees {
		trees[t.code] = t.id
	}
	taken := map[string]bool{}
	for i := range s.cfg.Stores {
		kind, market := kindsOfStores[i%len(kindsOfStores)], i%len(langs)
		cities := s.words.people[market].cities
		city, _ := splitCity(cities[i/len(langs)%len(cities)])
		st := store{
			id: int64(i) + 1, kind: kind, market: market, tree: trees[kind], currency: "EUR",
			name: s.words.stores[kind][market] + " " + city, langs: []string{langs[market], "en"},
		}
		switch {
		case i == 0: // the first shop one sees shows every language
			st.langs = langs[:]
		case market == english:
			st.langs = []string{"en"}
		}
		if market == english {
			st.currency = "GBP"
		}
		if taken[st.name] {
			st.name += " " + strconv.Itoa(i+1)
		}
		taken[st.name] = true
		st.code = slug.Make(st.name, 64)
		s.stores = append(s.stores, st)
	}
}

// splitCity takes "London SE1" apart.
func splitCity(s string) (city, postcode string) {
	i := strings.LastIndexByte(s, ' ')
	return s[:i], s[i+1:]
}

// stockStores lists each store's assortment, the most popular first. A product is about as popular everywhere.
func (s *shop) stockStores() {
	ranked := make([]int32, len(s.products))
	score := make([]uint64, len(s.products))
	for i := range ranked {
		ranked[i] = int32(i)
		d := s.dice(forRank, s.products[i].id, 0)
		score[i] = d.next()
	}
	sort.Slice(ranked, func(a, b int) bool { return score[ranked[a]] < score[ranked[b]] })
	s.assortment = make([][]int32, len(s.stores))
	longest := 0
	for i := range s.stores {
		for _, p := range ranked {
			if s.offers(&s.stores[i], &s.products[p]) {
				s.assortment[i] = append(s.assortment[i], p)
			}
		}
		longest = max(longest, len(s.assortment[i]))
	}
	s.weights = salesWeights(longest)
}

// ago returns the moment some time before the shop's base.
func (s *shop) ago(d time.Duration) time.Time { return s.cfg.Base.Add(-d) }

func (st *store) String() string { return fmt.Sprintf("store %d (%s)", st.id, st.code) }
