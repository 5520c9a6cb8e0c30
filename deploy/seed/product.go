package seed

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// product is what is decided of a product; its texts and rows are derived when they are written.
type product struct {
	id, seller, brand int64
	kind              int
	model             *model
	brandName         string
	status            string
	created           time.Time
	price             int64 // euro cents of a variant of 100 percent
	adjective         int   // place in the kind's adjectives, or -1
	colour            int   // place in the colours, or -1
	material          string
	origin            *origin
	series            string
	numbers           []number
	variants          []variant
}

// number is a numeric attribute.
type number struct {
	code  string
	value float64
}

type variant struct {
	sku     string
	key     string // of the option; empty for none
	value   string
	percent int64 // of the product's price
}

const day = 24 * time.Hour

func (s *shop) newProduct(id int64) product {
	d := s.dice(forProduct, id, 0)
	kind := int(id-1) % len(kinds)
	p := product{
		id: id, kind: kind, model: pick(&d, s.words.models[kinds[kind]]), brandName: pick(&d, s.words.brands[kinds[kind]]),
		seller: d.between(1, int64(len(s.sellers))), status: "active", adjective: -1, colour: -1,
		created: s.ago(time.Duration(d.between(101, 700)) * day).Add(time.Duration(d.n(86400)) * time.Second),
	}
	p.brand = s.brandIDs[p.brandName]
	p.price = d.between(p.model.low, p.model.high)
	switch throw := d.n(100); {
	case throw < 2:
		p.status = "archived"
	case throw < 4:
		p.status = "draft"
	}
	if d.chance(65) {
		p.adjective = int(d.n(int64(len(s.words.adjectives[kinds[kind]]))))
	}
	if p.model.has("colour") {
		p.colour = int(d.n(int64(len(s.words.colours))))
	}
	if p.model.has("material") {
		p.material = pick(&d, p.model.traits["material"])
	}
	for _, set := range []string{"origin", "garden"} {
		if p.model.has(set) && d.chance(60) {
			p.origin = &s.words.origins[set][d.n(int64(len(s.words.origins[set])))]
		}
	}
	if p.model.has("series") {
		p.series = string(rune('A'+d.n(26))) + strconv.FormatInt(d.between(2, 99)*10, 10)
	}
	p.vary(&d)
	return p
}

// sizes are the runs of which a product has a few neighbours.
var sizes = map[string][]string{
	"letters": {"XS", "S", "M", "L", "XL", "XXL"},
	"shoes":   {"36", "37", "38", "39", "40", "41", "42", "43", "44"},
	"kids":    {"98", "104", "110", "116", "122", "128"},
	"hats":    {"S", "M", "L"},
	"beds":    {"90x200", "140x200", "160x200", "180x200"},
}

// packs are the traits that variants may differ in: trait, attribute, unit.
var packs = []struct{ trait, attribute, unit string }{
	{"vol", "volume_ml", "ml"}, {"wt", "weight_g", "g"}, {"storage", "storage_gb", "GB"}, {"diameter", "diameter_cm", "cm"}, {"pieces", "pieces", ""},
}

// vary gives the product its numbers and its variants: one to four.
func (p *product) vary(d *dice) {
	for _, n := range [][2]string{{"screen", "screen_inch"}, {"power", "power_w"}} {
		if p.model.has(n[0]) {
			p.numbers = append(p.numbers, number{n[1], parse(pick(d, p.model.traits[n[0]]))})
		}
	}
	if p.model.has("size") {
		run := sizes[p.model.traits["size"][0]]
		count := d.between(1, min(4, int64(len(run))))
		first := d.n(int64(len(run)) - count + 1)
		for _, size := range run[first : first+count] {
			p.variants = append(p.variants, variant{p.sku(size), "size", size, 100})
		}
		return
	}
	for _, pack := range packs {
		values := p.model.traits[pack.trait]
		if values == nil {
			continue
		}
		first := d.n(int64(len(values)))
		p.numbers = append(p.numbers, number{pack.attribute, parse(values[first])})
		for i, value := range values[first:] {
			if i == 0 || (i == 1 && d.chance(40)) {
				text := strings.TrimSpace(value + " " + pack.unit)
				p.variants = append(p.variants, variant{p.sku(value + pack.unit), "pack", text, packPercent(pack.trait, values[first], value)})
			}
		}
		return
	}
	p.variants = []variant{{sku: p.sku("1"), percent: 100}}
}

// packPercent prices a larger pack: a little less than in proportion, memory much less.
func packPercent(trait, smallest, value string) int64 {
	ratio := int64(parse(value) * 100 / parse(smallest))
	if trait == "storage" {
		return 100 + (ratio-100)/8
	}
	return 100 + (ratio-100)*9/10
}

// parse reads a number of the vocabulary, which the tests have read before.
func parse(s string) float64 {
	value, err := strconv.ParseFloat(s, 64)
	if err != nil {
		panic(fmt.Sprintf("the vocabulary's number %q: %v", s, err))
	}
	return value
}

func (p *product) sku(suffix string) string {
	return fmt.Sprintf("%s-%06d-%s", strings.ToUpper(kinds[p.kind][:3]), p.id, strings.ToUpper(suffix))
}

func (v *variant) options() json.RawMessage {
	if v.key == "" {
		return json.RawMessage(`{}`)
	}
	return encode(map[string]string{v.key: v.value})
}

// gtin makes a valid EAN-13 with a prefix that is reserved for use within a shop.
func (p *product) gtin(variant int) string {
	digits := fmt.Sprintf("2%09d%02d", p.id, variant)
	sum := 0
	for i, c := range digits {
		sum += int(c-'0') * (1 + 2*(i%2))
	}
	return digits + strconv.Itoa((10-sum%10)%10)
}

func (s *shop) attributes(p *product) json.RawMessage {
	values := map[string]any{}
	for _, n := range p.numbers {
		values[n.code] = n.value
	}
	if p.colour >= 0 {
		values["colour"] = s.words.colours[p.colour].code
	}
	if p.material != "" {
		values["material"] = p.material
	}
	if p.origin != nil {
		values["origin"] = p.origin.code
	}
	if p.series != "" {
		values["model"] = p.series
		values["energy_class"] = string(rune('A' + p.id%5))
	}
	if p.model.has("gender") {
		values["gender"] = p.model.traits["gender"][0]
	}
	if kinds[p.kind] == "grocery" {
		values["organic"] = p.adjective == 0 // the first adjective says so in words
	}
	if p.model.has("size") {
		var all []string
		for _, v := range p.variants {
			all = append(all, v.value)
		}
		values["size"] = all
	}
	return encode(values)
}

func (s *shop) images(p *product) json.RawMessage {
	type image struct {
		URL string `json:"url"`
		Alt string `json:"alt"`
	}
	images := make([]image, 1+p.id%3)
	for i := range images {
		images[i] = image{fmt.Sprintf("https://images.example/%s/%s/%d-%d.jpg", kinds[p.kind], p.model.leaf, p.id, i+1), s.title(p, english)}
	}
	return encode(images)
}

// encode marshals what always can be.
func encode(v any) json.RawMessage {
	b, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("encode %T: %v", v, err))
	}
	return b
}
