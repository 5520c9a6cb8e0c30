package feed

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// The bounds of single values: the schema's, else Google's.
const (
	maxID          = 50
	maxTitle       = 300
	maxDescription = 50_000
	maxName        = 200 // of a brand or a category
	maxKeyword     = 200
	maxURL         = 2000
	maxImages      = 11
	maxPaths       = 10
	maxPathDepth   = 10
	maxQuantity    = 1_000_000_000
)

// item is a row that was understood: one variant, and what it says of its product.
type item struct {
	line               int
	id, group          string
	title, description string
	brand, gtin        string
	kind               string // the product's type
	images             []string
	paths              [][]string // categories, root first
	options            map[string]string
	words              map[string][]string // keyword attributes of the product
	weight             *float64            // in grams
	amount, list       int64               // list 0 without a sale
	from, to           *time.Time          // the sale's period
	quantity           *int64              // nil without a figure
	inStock            bool
}

// externalID is by which the product is found again. Groups and single items are numbered apart.
func (it *item) externalID() string {
	if it.group != "" {
		return "group:" + it.group
	}
	return it.id
}

// parseItem checks a row; every problem of it is in the rejection.
func parseItem(raw rawRow, currency string, now time.Time) (item, *Rejection) {
	p := itemParser{raw: raw, it: item{line: raw.line, options: map[string]string{}, words: map[string][]string{}}}
	p.identity()
	p.texts()
	p.prices(currency, now)
	p.availability()
	p.descriptors()
	p.categories()
	if len(p.problems) > 0 {
		return item{}, &Rejection{raw.line, clip(raw.first("id"), 100), strings.ReplaceAll(errors.Join(p.problems...).Error(), "\n", "; ")}
	}
	return p.it, nil
}

type itemParser struct {
	raw      rawRow
	it       item
	problems []error
}

func (p *itemParser) problem(format string, args ...any) {
	p.problems = append(p.problems, fmt.Errorf(format, args...))
}

// text returns an attribute of at most limit characters.
func (p *itemParser) text(name string, limit int) string {
	return p.checked(name, p.raw.first(name), limit)
}

func (p *itemParser) checked(name, value string, limit int) string {
	switch {
	case strings.ContainsRune(value, utf8.RuneError):
		p.problem("%s holds bytes that are no text in the feed's encoding", name)
	case utf8.RuneCountInString(value) > limit:
		p.problem("%s has more than %d characters", name, limit)
	default:
		return value
	}
	return ""
}

func (p *itemParser) needed(name string, limit int) string {
	if p.raw.first(name) == "" {
		p.problem("%s is missing", name)
		return ""
	}
	return p.text(name, limit)
}

var gtin = regexp.MustCompile(`^[0-9]{8,14}$`)

func (p *itemParser) identity() {
	p.it.id = p.needed("id", maxID)
	p.it.group = p.text("item_group_id", maxID)
	p.it.gtin = strings.NewReplacer(" ", "", "-", "").Replace(p.text("gtin", 50))
	if p.it.gtin != "" && !gtin.MatchString(p.it.gtin) {
		p.problem("gtin %q: want 8 to 14 digits", p.it.gtin)
	}
}

func (p *itemParser) texts() {
	p.it.title = p.needed("title", maxTitle)
	p.it.description = p.text("description", maxDescription)
	p.it.brand = p.text("brand", maxName)
	for _, name := range []string{"image_link", "additional_image_link"} {
		for _, value := range p.raw.values[name] {
			// In a tab-separated feed several stand in one value.
			for link := range strings.SplitSeq(value, ",") {
				p.image(name, strings.TrimSpace(link))
			}
		}
	}
}

func (p *itemParser) image(name, link string) {
	if link == "" || len(p.it.images) == maxImages {
		return
	}
	link = p.checked(name, link, maxURL)
	if u, err := url.Parse(link); err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		p.problem("%s %q is not a web address", name, clip(link, 80))
		return
	}
	p.it.images = append(p.it.images, link)
}

func (p *itemParser) prices(currency string, now time.Time) {
	price, ok := p.price("price", currency)
	if !ok {
		return
	}
	p.it.amount = price
	if p.raw.first("sale_price") == "" {
		return
	}
	sale, ok := p.price("sale_price", currency)
	if !ok {
		return
	}
	if sale > price {
		p.problem("sale_price %s is above price %s", p.raw.first("sale_price"), p.raw.first("price"))
		return
	}
	from, to, err := parsePeriod(p.text("sale_price_effective_date", 100))
	if err != nil {
		p.problem("sale_price_effective_date: %w", err)
		return
	}
	if sale == price || (to != nil && !to.After(now)) {
		return // no discount, or one that is over
	}
	p.it.amount, p.it.list, p.it.from, p.it.to = sale, price, from, to
}

func (p *itemParser) price(name, currency string) (int64, bool) {
	value := p.needed(name, 100)
	if value == "" {
		return 0, false
	}
	amount, in, err := parsePrice(value)
	switch {
	case err != nil:
		p.problem("%s: %w", name, err)
	case in != currency:
		p.problem("%s is in %s, but the store sells in %s", name, in, currency)
	case amount == 0:
		p.problem("%s is zero", name)
	default:
		return amount, true
	}
	return 0, false
}

// periodLayouts are the ways in which feeds write a moment; without an offset it is UTC.
var periodLayouts = []string{
	time.RFC3339, "2006-01-02T15:04:05Z0700", "2006-01-02T15:04Z07:00", "2006-01-02T15:04Z0700", "2006-01-02T15:04:05", "2006-01-02T15:04", time.DateOnly,
}

// parsePeriod reads "start/end"; both nil for "".
func parsePeriod(s string) (from, to *time.Time, err error) {
	if s == "" {
		return nil, nil, nil
	}
	start, end, found := strings.Cut(s, "/")
	if !found {
		return nil, nil, fmt.Errorf("%q: want a start and an end with a slash between", s)
	}
	if from, err = parseMoment(start); err != nil {
		return nil, nil, err
	}
	if to, err = parseMoment(end); err != nil {
		return nil, nil, err
	}
	if !from.Before(*to) {
		return nil, nil, fmt.Errorf("%q ends before it begins", s)
	}
	return from, to, nil
}

func parseMoment(s string) (*time.Time, error) {
	s = strings.TrimSpace(s)
	for _, layout := range periodLayouts {
		if t, err := time.Parse(layout, s); err == nil && t.Year() >= 1900 && t.Year() < 10_000 {
			t = t.UTC().Truncate(time.Microsecond)
			return &t, nil
		}
	}
	return nil, fmt.Errorf("%q is not a moment such as 2026-02-24T11:07+0100", s)
}

func (p *itemParser) availability() {
	switch value := normalName(p.raw.first("availability")); value {
	case "in_stock", "available":
		p.it.inStock = true
	case "out_of_stock", "preorder", "pre_order", "backorder", "back_order": // nothing to be sent now
	case "":
		p.problem("availability is missing")
	default:
		p.problem("availability %q: want in_stock, out_of_stock, preorder or backorder", clip(p.raw.first("availability"), 50))
	}
	for _, name := range []string{"quantity", "sell_on_google_quantity"} {
		value := p.raw.first(name)
		if value == "" {
			continue
		}
		n, err := strconv.ParseInt(value, 10, 64)
		if err != nil || n < 0 || n > maxQuantity {
			p.problem("%s %q: want a number from 0 to %d", name, clip(value, 50), maxQuantity)
			return
		}
		if !p.it.inStock {
			n = 0 // there, but not to be sold
		}
		p.it.quantity = &n
		return
	}
}

// groupOptions are in what the variants of a group may differ: the feed's name, and ours. The first two are options of a
// product without a group as well.
var groupOptions = [][2]string{{"color", "colour"}, {"size", "size"}, {"material", "material"}, {"pattern", "pattern"}}

// keywords are the other attributes that are kept as words.
var keywords = [][2]string{
	{"gender", "gender"}, {"age_group", "age_group"}, {"condition", "condition"}, {"energy_efficiency_class", "energy_class"}, {"mpn", "mpn"},
}

func (p *itemParser) descriptors() {
	for i, names := range groupOptions {
		value := p.text(names[0], maxKeyword)
		switch {
		case value == "":
		case i < 2 || p.it.group != "":
			p.it.options[names[1]] = value
		default:
			p.it.words[names[1]] = splitSlash(value)
		}
	}
	for _, names := range keywords {
		if value := p.text(names[0], maxKeyword); value != "" {
			p.it.words[names[1]] = []string{value}
		}
	}
	for _, name := range []string{"product_weight", "weight", "shipping_weight"} {
		if value := p.text(name, 50); value != "" {
			grams, err := parseWeight(value)
			if err != nil {
				p.problem("%s: %w", name, err)
				return
			}
			p.it.weight = &grams
			return
		}
	}
}

// splitSlash takes "cotton/linen" apart, as feeds list several.
func splitSlash(s string) []string {
	var parts []string
	for part := range strings.SplitSeq(s, "/") {
		if part = strings.TrimSpace(part); part != "" {
			parts = append(parts, part)
		}
	}
	return parts
}

var grams = map[string]float64{"mg": 0.001, "g": 1, "kg": 1000, "oz": 28.349523125, "lb": 453.59237, "lbs": 453.59237}

var weight = regexp.MustCompile(`^([0-9]{1,9}(?:\.[0-9]{1,6})?) ?([a-z]+)$`)

func parseWeight(s string) (float64, error) {
	m := weight.FindStringSubmatch(strings.ToLower(s))
	if m == nil || grams[m[2]] == 0 {
		return 0, fmt.Errorf("%q is not a weight such as 1.5 kg", s)
	}
	value, err := strconv.ParseFloat(m[1], 64)
	if err != nil {
		return 0, fmt.Errorf("weight %q: %w", s, err)
	}
	return float64(int64(value*grams[m[2]]*1000+0.5)) / 1000, nil
}

func (p *itemParser) categories() {
	for _, value := range p.raw.values["product_type"] {
		p.path("product_type", value)
	}
	google := p.raw.first("google_product_category")
	if _, err := strconv.Atoi(google); err == nil {
		google = "" // the number of a category is no name
	}
	if len(p.it.paths) == 0 && google != "" {
		p.path("google_product_category", google)
	}
	p.it.kind = typeName(google)
}

func (p *itemParser) path(name, value string) {
	var path []string
	for part := range strings.SplitSeq(value, ">") {
		if part = p.checked(name, strings.Join(strings.Fields(part), " "), maxName); part != "" {
			path = append(path, part)
		}
	}
	switch {
	case len(path) > maxPathDepth:
		p.problem("%s has more than %d levels", name, maxPathDepth)
	case len(p.it.paths) == maxPaths:
		p.problem("more than %d categories", maxPaths)
	case len(path) > 0:
		p.it.paths = append(p.it.paths, path)
	}
}

// typeName makes the product's type of Google's top category.
func typeName(category string) string {
	top, _, _ := strings.Cut(category, ">")
	var b strings.Builder
	for _, r := range strings.ToLower(strings.TrimSpace(top)) {
		switch {
		case r >= 'a' && r <= 'z':
			b.WriteRune(r)
		case b.Len() > 0 && !strings.HasSuffix(b.String(), "_"):
			b.WriteByte('_')
		}
	}
	if name := strings.Trim(b.String(), "_"); name != "" && len(name) <= 64 {
		return name
	}
	return "general"
}

// clip shortens what goes into a message.
func clip(s string, limit int) string {
	if utf8.RuneCountInString(s) <= limit {
		return s
	}
	return string([]rune(s)[:limit]) + "…"
}
