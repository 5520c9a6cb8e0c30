package feed

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"sort"
)

// definition is how an attribute of a feed enters the registry when the shop does not have it yet.
type definition struct {
	kind, unit string
	facet      bool
	labels     map[string]string
}

var definitions = map[string]definition{
	"colour":       {"keyword", "", true, labels("Colore", "Couleur", "Farbe", "Color", "Colour")},
	"size":         {"keyword", "", true, labels("Taglia", "Taille", "Größe", "Talla", "Size")},
	"material":     {"keyword", "", true, labels("Materiale", "Matière", "Material", "Material", "Material")},
	"pattern":      {"keyword", "", true, labels("Fantasia", "Motif", "Muster", "Estampado", "Pattern")},
	"gender":       {"keyword", "", true, labels("Genere", "Genre", "Geschlecht", "Género", "Gender")},
	"age_group":    {"keyword", "", true, labels("Fascia d'età", "Tranche d'âge", "Altersgruppe", "Grupo de edad", "Age group")},
	"condition":    {"keyword", "", true, labels("Condizione", "État", "Zustand", "Estado", "Condition")},
	"energy_class": {"keyword", "", true, labels("Classe energetica", "Classe énergétique", "Energieeffizienzklasse", "Clase energética", "Energy class")},
	"mpn":          {"keyword", "", false, labels("Codice produttore", "Référence fabricant", "Herstellernummer", "Referencia del fabricante", "Manufacturer's number")},
	"weight_g":     {"number", "g", true, labels("Peso", "Poids", "Gewicht", "Peso", "Weight")},
}

func labels(it, fr, de, es, en string) map[string]string {
	return map[string]string{"it": it, "fr": fr, "de": de, "es": es, "en": en}
}

// register puts the attributes into the registry that it does not have. One that the shop knows as something else ends the
// import: its values would be lost in the search index.
func (b *batch) register(ctx context.Context, attributes map[string]any) error {
	for _, code := range sortedKeys(attributes) {
		want, ours := definitions[code]
		if !ours {
			continue
		}
		kind, exists := b.known.kinds[code]
		if exists && kind != want.kind {
			return fmt.Errorf("the shop knows the attribute %s as a %s, the feed brings a %s: rename it in attribute_defs", code, kind, want.kind)
		}
		if exists {
			continue
		}
		var slot *int32
		if want.kind == "number" {
			free := int32(0)
			for b.known.slots[free] {
				free++
			}
			slot = &free
			b.known.slots[free] = true
		}
		const insert = `insert into attribute_defs (code, kind, facet, numeric_slot, unit, labels) values ($1, $2, $3, $4, nullif($5, ''), $6)`
		if _, err := b.tx.Exec(ctx, insert, code, want.kind, want.facet, slot, want.unit, encode(want.labels)); err != nil {
			return fmt.Errorf("register attribute %s: %w", code, err)
		}
		b.known.kinds[code] = want.kind
	}
	return nil
}

// attributesOf is what the row that leads says of the product itself.
func attributesOf(it *item) map[string]any {
	values := map[string]any{}
	for name, list := range it.words {
		values[name] = oneOrMany(list)
	}
	if it.weight != nil {
		values["weight_g"] = *it.weight
	}
	return values
}

// unite sets the attributes that the variants' options add up to: a product is found by each colour it comes in.
func (p *product) unite(values map[string]any) {
	for _, names := range groupOptions {
		var all []string
		for _, v := range p.variants {
			if value := v.options[names[1]]; value != "" {
				all = append(all, value)
			}
		}
		if len(all) == 0 {
			continue
		}
		sort.Strings(all)
		distinct := all[:1]
		for _, value := range all[1:] {
			if value != distinct[len(distinct)-1] {
				distinct = append(distinct, value)
			}
		}
		values[names[1]] = oneOrMany(distinct)
	}
}

func oneOrMany(list []string) any {
	if len(list) == 1 {
		return list[0]
	}
	return list
}

// sameJSON compares values as JSON does, whatever their Go types.
func sameJSON(a, b any) bool { return reflect.DeepEqual(plain(a), plain(b)) }

func plain(v any) (decoded any) {
	if err := json.Unmarshal(encode(v), &decoded); err != nil {
		panic(fmt.Sprintf("decode what was just encoded: %v", err))
	}
	return decoded
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	sort.Strings(keys)
	return keys
}
