package read_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/mongo"

	"freshet/api/read"
	"freshet/deploy/stack/stacktest"
	"freshet/ingest/change"
	"freshet/projectors/catalog"
	"freshet/projectors/dimension"
	"freshet/projectors/offer"
	"freshet/projectors/tree"
)

// BenchmarkPages is what a page costs the process that serves it, from request to answer over a socket: ns are of the clock
// with all cores busy and MongoDB among them, cpu-µs are the process's own (and its client's, which does next to nothing).
// The shop is made of pages as large as the seeded one's. The mix is a visit's: a tenth homes, two fifths categories, half
// products.
func BenchmarkPages(b *testing.B) {
	address := browsed(b)
	home, asked := []string{"home?lang=it"}, []string{"home"}
	var nodes, products []string
	for i := range benchPages {
		nodes = append(nodes, fmt.Sprintf("categories/%d?lang=it", i+1))
		products = append(products, fmt.Sprintf("products/%d?lang=it", i+1))
	}
	for _, kind := range []struct {
		name  string
		paths []string
	}{{"home", home}, {"home of a browser's language", asked}, {"category", nodes}, {"product", products}, {"mix", mixed(home, nodes, products)}} {
		b.Run(kind.name, func(b *testing.B) { benchmarkPages(b, address, kind.paths) })
	}
}

func mixed(home, nodes, products []string) (paths []string) {
	for i := range benchPages {
		paths = append(paths, home[0])
		for j := range 4 {
			paths = append(paths, nodes[(4*i+j)%len(nodes)])
		}
		for j := range 5 {
			paths = append(paths, products[(5*i+j)%len(products)])
		}
	}
	return paths
}

const (
	benchPages   = 100 // of each kind, but the home page
	benchReaders = 8   // for each core
)

func benchmarkPages(b *testing.B, address string, paths []string) {
	b.SetParallelism(benchReaders)
	var turn, read atomic.Int64
	b.ReportAllocs()
	before := busy(b)
	b.RunParallel(func(pb *testing.PB) {
		c, err := dial(b.Context(), address)
		if err != nil {
			b.Error(err)
			return
		}
		defer func() { _ = c.conn.Close() }() // nothing is in it any more
		for pb.Next() {
			n, err := c.get("/api/v1/stores/milano/" + paths[int(turn.Add(1))%len(paths)])
			if err != nil {
				b.Error(err)
				return
			}
			read.Add(int64(n))
		}
	})
	b.ReportMetric(float64((busy(b)-before).Microseconds())/float64(b.N), "cpu-µs/op")
	b.ReportMetric(float64(read.Load())/float64(b.N), "body-B/op")
}

// busy is the processor time that this process has taken.
func busy(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// reader is a client that reads no more of an answer than where it ends, so that what is measured is the server.
type reader struct {
	conn net.Conn
	in   *bufio.Reader
}

func dial(ctx context.Context, address string) (*reader, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	return &reader{conn, bufio.NewReaderSize(conn, 64<<10)}, nil
}

// get returns the size of the answer's body.
func (r *reader) get(path string) (size int, err error) {
	if _, err := fmt.Fprintf(r.conn, "GET %s HTTP/1.1\r\nHost: shop.example\r\nUser-Agent: bench\r\nAccept-Language: it-IT,it;q=0.9,en-US;q=0.8,en;q=0.7\r\n\r\n", path); err != nil {
		return 0, err
	}
	status, err := r.in.ReadSlice('\n')
	if err == nil && !bytes.HasPrefix(status, []byte("HTTP/1.1 200 ")) {
		return 0, fmt.Errorf("%s: %s", path, status)
	}
	for err == nil {
		var line []byte
		line, err = r.in.ReadSlice('\n')
		if len(line) == len("\r\n") {
			break
		}
		if value, found := bytes.CutPrefix(line, []byte("Content-Length: ")); found {
			_, err = fmt.Sscan(string(value), &size)
		}
	}
	if err == nil {
		_, err = io.CopyN(io.Discard, r.in, int64(size))
	}
	return size, err
}

// browsed is the address of a server on a shop in a MongoDB.
func browsed(b *testing.B) string {
	db := stacktest.MongoDatabase(b)
	stock(b, db)
	w := newWorld()
	server := serve(b, read.Config{
		Pages: tree.NewStore(db, false), Products: read.NewDocuments(db), Dimensions: dimension.NewCache(db, dimension.CacheConfig{}), Progress: w,
	})
	listener, err := new(net.ListenConfig).Listen(b.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.Context())
	done := make(chan error, 1)
	go func() { done <- server.Serve(ctx, listener) }()
	b.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			b.Error(err)
		}
	})
	return listener.Addr().String()
}

// stock fills the shop: a home page, categories and products, each as large as they are in the seeded one.
func stock(b *testing.B, db *mongo.Database) {
	home := tree.Home{ID: tree.HomeID(1, "it"), Store: 1, Lang: "it", Part: 1}
	var nodes, products, offers []any
	w := newWorld()
	dims := rows(b, w)
	for i := range 12 {
		dims = append(dims, dimensionRow(b, fmt.Sprint("attribute_defs:", code(i)), dimension.Attribute{
			Code: code(i), Kind: "keyword", Facet: true, Labels: `{"de": "Farbe", "en": "Colour", "es": "Color", "fr": "Couleur", "it": "Colore"}`,
		}))
	}
	for i := range benchPages {
		id := int64(i + 1)
		if i < 8 {
			home.Categories = append(home.Categories, tree.Section{ID: id, Slug: "accessori-da-cucina", Name: "Accessori da cucina", Count: 1000, Cards: benchCards(tree.HomeCards)})
		}
		nodes = append(nodes, benchNode(id))
		products = append(products, benchProduct(id))
		offers = append(offers, benchOffer(id))
		dims = append(dims, dimensionRow(b, fmt.Sprint("brands:", id), dimension.Brand{ID: id, Name: "Bialetti", Slug: "bialetti"}),
			dimensionRow(b, fmt.Sprint("sellers:", id), dimension.Seller{ID: id, Name: "Conti Forniture", Slug: "conti-forniture"}))
	}
	insert(b, db, dimension.CollectionName, dims...)
	insert(b, db, tree.HomesName, home)
	insert(b, db, tree.NodesName, nodes...)
	insert(b, db, catalog.CollectionName, products...)
	insert(b, db, offer.CollectionName, offers...)
}

func code(i int) string { return fmt.Sprint("attribute_", i) }

func benchCards(n int) []tree.Card {
	cards := make([]tree.Card, n)
	for i := range cards {
		cards[i] = tree.Card{
			Product: int64(i + 1000), Title: "Caffettiera in alluminio rossa Bialetti & Figli, 6 tazze", Slug: fmt.Sprint("caffettiera-in-alluminio-rossa-bialetti-figli-6-tazze-", i),
			Price: 2990, ListPrice: 3490, Image: fmt.Sprintf("https://images.example/home/caffettiere/%d-1.jpg?w=400&h=300", i), Brand: "Bialetti", InStock: true, Rating: 4.3, Reviews: 12,
		}
	}
	return cards
}

func benchNode(id int64) tree.Node {
	n := tree.Node{
		ID: tree.NodeID(1, id, "it"), Store: 1, Category: id, Lang: "it", Part: 1, Slug: "caffettiere", Name: "Caffettiere", Count: 812, Cards: benchCards(tree.NodeCards),
		Breadcrumbs: []tree.Crumb{{ID: 1, Slug: "casa", Name: "Casa"}, {ID: 2, Slug: "cucina", Name: "Cucina"}, {ID: id, Slug: "caffettiere", Name: "Caffettiere"}}, Children: []tree.Child{},
	}
	for i := range 6 {
		n.Children = append(n.Children, tree.Child{ID: id + 100, Slug: "caffettiere-moka", Name: "Caffettiere moka", Count: 17})
		f := tree.Facet{Code: code(i)}
		for v := range 10 {
			f.Values = append(f.Values, tree.FacetValue{Value: fmt.Sprint("valore-", v), Count: 100 - v})
		}
		n.Facets = append(n.Facets, f)
	}
	return n
}

func benchProduct(id int64) *catalog.Product {
	at := change.Position{Commit: 0x16B374D848, Index: 7}
	p := &catalog.Product{
		ID: id, Rev: 12, Row: catalog.Row{Pos: at, SellerID: id, BrandID: id, Type: "caffettiera", Status: "active", GTIN: "2000000012345", CreatedAt: "2026-01-01T00:00:00.000000Z"},
		Attributes: catalog.Attributes{Pos: at, Value: json.RawMessage(`{"attribute_0": "rosso", "attribute_1": "alluminio", "attribute_2": ["M", "L"], "attribute_3": 6, "attribute_4": true}`)},
		Images:     catalog.Images{Pos: at, Value: json.RawMessage(`[{"url": "https://images.example/home/caffettiere/1-1.jpg", "alt": "Bialetti red coffee maker"}, {"url": "https://images.example/home/caffettiere/1-2.jpg", "alt": "Bialetti red coffee maker"}]`)},
		Brand:      catalog.Brand{ID: id, Pos: at, Name: "Bialetti"}, Reviews: []catalog.Tally{{Rev: 6, Count: 4, Sum: 17}},
		Categories: []catalog.Category{{ID: 2, Pos: at}}, Source: change.Provenance{Position: at, Time: time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)},
	}
	for _, lang := range []string{"de", "en", "es", "fr", "it"} {
		p.Texts = append(p.Texts, catalog.Text{
			Lang: lang, Pos: at, TitlePos: at, DescPos: at, Title: "Caffettiera in alluminio rossa Bialetti, 6 tazze", Slug: "caffettiera-in-alluminio-rossa-bialetti-6-tazze",
			Description: strings.Repeat("Una caffettiera che dura una vita e fa il caffè come al bar. ", 4),
		})
	}
	for i := range 3 {
		p.Variants = append(p.Variants, catalog.Variant{SKU: sku(id, i), Pos: at, OptionsPos: at, Options: json.RawMessage(`{"size": "M"}`), GTIN: "2000000012346"})
	}
	return p
}

func sku(product int64, i int) string { return fmt.Sprintf("HOM-%06d-%d", product, i) }

func benchOffer(product int64) *offer.Offer {
	at := change.Position{Commit: 0x16B374D900, Index: 3}
	o := &offer.Offer{
		ID: offer.ID(1, product), Rev: 40, Store: 1, Product: product, Row: offer.Row{Pos: at, Status: "active", Boost: 1},
		Sales: offer.Sales{Epoch: 1, High: at, Units: 31, Score: 12.5}, Source: change.Provenance{Position: at, Time: time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)},
	}
	for i := range 3 {
		o.Prices = append(o.Prices, offer.Price{SKU: sku(product, i), Pos: at, Amount: 2990, ListAmount: 3490, ValidFrom: "2026-01-01T00:00:00Z"})
		o.Stock = append(o.Stock, offer.Stock{SKU: sku(product, i), Pos: at, OnHand: 12, Reserved: 1, LowStockAt: 3})
	}
	return o
}
