package search

// labels are the names, in the languages, of what the registry doesn't name: the facets of every store, and yes and no.
var labels = map[string]map[string]string{
	FacetCategory: {"it": "Categoria", "fr": "Catégorie", "de": "Kategorie", "es": "Categoría", "en": "Category"},
	FacetBrand:    {"it": "Marca", "fr": "Marque", "de": "Marke", "es": "Marca", "en": "Brand"},
	FacetPrice:    {"it": "Prezzo", "fr": "Prix", "de": "Preis", "es": "Precio", "en": "Price"},
	FacetStock:    {"it": "Disponibile", "fr": "Disponible", "de": "Lieferbar", "es": "Disponible", "en": "In stock"},
	"true":        {"it": "Sì", "fr": "Oui", "de": "Ja", "es": "Sí", "en": "Yes"},
	"false":       {"it": "No", "fr": "Non", "de": "Nein", "es": "No", "en": "No"},
}

// YesNo is what the value of a boolean facet is called in a language, "" for any other value.
func YesNo(value, lang string) string {
	if value != "true" && value != "false" {
		return ""
	}
	return labels[value][lang]
}
