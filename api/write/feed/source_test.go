package feed

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func itoa(n int64) string { return strconv.FormatInt(n, 10) }

var noon = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)

// TestGoldenFeeds reads each feed of testdata as far as Postgres is not needed.
func TestGoldenFeeds(t *testing.T) {
	for _, name := range []string{"shop.rss.xml", "shop.atom.xml", "shop.tsv"} {
		t.Run(name, func(t *testing.T) {
			file, err := os.Open(filepath.Join("testdata", name))
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = file.Close() }()
			golden := filepath.Join("testdata", name+".golden")
			got := describe(t, file)
			if *update {
				if err := os.WriteFile(golden, got, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, want) {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
}

// describe writes a line for each row: what was understood, or why not.
func describe(t *testing.T, in io.Reader) []byte {
	t.Helper()
	source, err := open(in)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	write := func(v any) {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		out.Write(append(b, '\n'))
	}
	for {
		raw, err := source.next()
		var rejection *Rejection
		switch {
		case errors.Is(err, io.EOF):
			return out.Bytes()
		case errors.As(err, &rejection):
			write(rejection)
			continue
		case err != nil:
			t.Fatal(err)
		}
		it, rejection := parseItem(raw, "EUR", noon)
		if rejection != nil {
			write(rejection)
			continue
		}
		write(map[string]any{
			"line": it.line, "id": it.id, "external": it.externalID(), "sku": skuOf(7, it.id), "title": it.title, "description": it.description, "brand": it.brand,
			"gtin": it.gtin, "type": it.kind, "images": it.images, "paths": it.paths, "options": it.options, "words": it.words, "weight": it.weight,
			"amount": it.amount, "list": it.list, "from": it.from, "to": it.to, "quantity": it.quantity, "in_stock": it.inStock,
		})
	}
}

func TestWhatIsNoFeedIsSaid(t *testing.T) {
	for in, reason := range map[string]string{
		"":                                "empty",
		"  \n \r\n":                       "empty",
		"<html><body>Login</body></html>": "neither RSS 2.0 nor Atom",
		"<?xml version='1.0' encoding='klingon'?><rss/>": "klingon",
		"a,b,c\n1,2,3\n":          "no column id",
		"id\ttitle\n1\tx\n":       "no column price",
		"\xff\xfei\x00d\x00":      "no column title",
		"<!-- only a comment -->": "without an element",
	} {
		_, err := open(strings.NewReader(in))
		if err == nil || !strings.Contains(err.Error(), reason) {
			t.Errorf("open(%q): %v, want %q in it", in, err, reason)
		}
	}
}

func all(t *testing.T, in io.Reader) (rows []rawRow, rejections []*Rejection, fatal error) {
	t.Helper()
	source, err := open(in)
	if err != nil {
		return nil, nil, err
	}
	for {
		row, err := source.next()
		var rejection *Rejection
		switch {
		case errors.Is(err, io.EOF):
			return rows, rejections, nil
		case errors.As(err, &rejection):
			rejections = append(rejections, rejection)
		case err != nil:
			return rows, rejections, err
		default:
			rows = append(rows, row)
		}
	}
}

func TestUTF16FromASpreadsheet(t *testing.T) {
	text := []byte("\xff\xfe")
	for _, r := range "id\ttitle\tprice\n1\tCaffè\t1.00 EUR\n" {
		text = append(text, byte(r), byte(r>>8))
	}
	rows, _, err := all(t, bytes.NewReader(text))
	if err != nil || len(rows) != 1 || rows[0].first("title") != "Caffè" {
		t.Errorf("got %v, %v", rows, err)
	}
}

// endless is a feed whose one text never ends.
type endless struct{ head io.Reader }

func (e endless) Read(p []byte) (int, error) {
	if n, err := e.head.Read(p); err == nil {
		return n, nil
	}
	for i := range p {
		p[i] = 'x'
	}
	return len(p), nil
}

func TestATextWithoutEndIsRefused(t *testing.T) {
	_, _, err := all(t, endless{strings.NewReader("<rss><channel><item><title>")})
	if err == nil || !strings.Contains(err.Error(), "longer than") {
		t.Errorf("got %v, want the limit", err)
	}
	_, _, err = all(t, strings.NewReader("<rss>"+strings.Repeat("<a>", 100_000)))
	if err == nil || !strings.Contains(err.Error(), "deep") {
		t.Errorf("got %v, want the limit of the depth", err)
	}
}

func TestLongRowsAreRejectedAloneAndTheNextIsRead(t *testing.T) {
	long := strings.Repeat("x", maxValue+1)
	for name, in := range map[string]string{
		"xml":      "<rss><item><id>1</id><title>" + long + "</title></item><item><id>2</id></item></rss>",
		"tsv":      "id\ttitle\tprice\n1\t" + long + "\t1.00 EUR\n2\tok\t1.00 EUR\n",
		"tsv line": "id\ttitle\tprice\n1\t" + strings.Repeat("y", 3*maxRow) + "\t1.00 EUR\n2\tok\t1.00 EUR\n",
	} {
		rows, rejections, err := all(t, strings.NewReader(in))
		if err != nil || len(rows) != 1 || len(rejections) != 1 || rows[0].first("id") != "2" {
			t.Errorf("%s: %d rows, %d rejections, %v", name, len(rows), len(rejections), err)
		}
	}
}

func TestAnOpenQuoteSwallowsNothing(t *testing.T) {
	var b strings.Builder
	b.WriteString("id\ttitle\tprice\n0\t\"never closed\t1.00 EUR\n")
	for i := 1; i <= 500; i++ {
		b.WriteString(itoa(int64(i)) + "\tfine\t1.00 EUR\n")
	}
	rows, rejections, err := all(t, strings.NewReader(b.String()))
	if err != nil || len(rejections) != 0 || len(rows) != 501 {
		t.Fatalf("%d rows, %d rejections, %v", len(rows), len(rejections), err)
	}
	if rows[0].first("title") != `"never closed` || rows[500].line != 502 {
		t.Errorf("title %q, last line %d", rows[0].first("title"), rows[500].line)
	}
}

func FuzzTSV(f *testing.F) {
	f.Add("1\t\"a \"\"b\"\"\"\t1.00 EUR\r\n2\t\"x\ny\"\t1 EUR")
	f.Add("\"\t\"\t\"\n\"\"\"\n\t\t\t\t")
	f.Add("\x00\xff\t\"")
	f.Fuzz(func(t *testing.T, body string) {
		source, err := open(strings.NewReader("id\ttitle\tprice\n" + body))
		if err != nil {
			t.Fatal(err)
		}
		last := 1
		for range strings.Count(body, "\n") + 3 {
			row, err := source.next()
			var rejection *Rejection
			switch {
			case errors.Is(err, io.EOF):
				return
			case errors.As(err, &rejection):
				row.line = rejection.Line
			case err != nil:
				t.Fatal(err)
			}
			if row.line <= last {
				t.Fatalf("line %d after line %d", row.line, last)
			}
			last = row.line
		}
		t.Fatal("more rows than lines")
	})
}

func FuzzXML(f *testing.F) {
	f.Add("<item><g:id>1</g:id><title>x</title></item>")
	f.Add("<item><![CDATA[]]>&nbsp;<a><b/></a></item></channel>")
	f.Fuzz(func(t *testing.T, body string) {
		source, err := open(strings.NewReader("<rss xmlns:g='http://base.google.com/ns/1.0'>" + body + "</rss>"))
		if err != nil {
			t.Fatal(err)
		}
		for range len(body) + 2 {
			raw, err := source.next()
			var rejection *Rejection
			if err != nil && !errors.As(err, &rejection) {
				return
			}
			if err == nil {
				_, _ = parseItem(raw, "EUR", noon) // must not panic
			}
		}
		t.Fatal("more items than bytes")
	})
}
