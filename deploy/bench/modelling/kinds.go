package modelling

import "strings"

func keyword(code, values string) Attribute {
	return Attribute{Code: code, values: strings.Fields(values)}
}
func number(code string, lo, hi float64) Attribute { return Attribute{Code: code, lo: lo, hi: hi} }
func boolean(code string) Attribute                { return Attribute{Code: code} }

// Attributes that several kinds have.
var (
	brand    = keyword("brand", "alba boreal costa duna elba fiore granada hansa isar jura kiel lago")
	colour   = keyword("colour", "black white grey blue red green yellow brown")
	material = keyword("material", "wood steel cotton leather plastic glass")
	origin   = keyword("origin", "italy france germany spain ireland portugal greece")
	organic  = boolean("organic")
	weight   = number("weight_g", 50, 5000)
)

// kinds are what the catalog sells from the start.
var kinds = []Kind{
	{"pasta", [5]string{"Pasta", "Pâtes", "Nudeln", "Pasta", "Pasta"}, []Attribute{
		brand, origin, organic, weight, keyword("shape", "spaghetti penne fusilli farfalle linguine orzo"), keyword("flour", "durum wheat spelt rice lentil"), boolean("gluten_free"), number("cooking_min", 3, 15),
	}},
	{"wine", [5]string{"Vino", "Vin", "Wein", "Vino", "Wine"}, []Attribute{
		brand, origin, organic, keyword("grape", "sangiovese merlot riesling tempranillo nebbiolo syrah"), keyword("style", "red white rose sparkling sweet"), number("alcohol_permille", 80, 150), number("vintage", 1990, 2026),
	}},
	{"coffee", [5]string{"Caffè", "Café", "Kaffee", "Café", "Coffee"}, []Attribute{
		brand, organic, weight, keyword("roast", "light medium dark"), keyword("variety", "arabica robusta blend"), boolean("whole_beans"), boolean("decaf"), number("intensity", 1, 12),
	}},
	{"lamp", [5]string{"Lampada", "Lampe", "Lampe", "Lámpara", "Lamp"}, []Attribute{
		brand, colour, material, weight, keyword("fitting", "e27 e14 gu10 led"), boolean("dimmable"), number("power_w", 2, 100), number("lumen", 100, 3000),
	}},
	{"shoe", [5]string{"Scarpa", "Chaussure", "Schuh", "Zapato", "Shoe"}, []Attribute{
		brand, colour, material, weight, keyword("sole", "rubber leather foam"), keyword("closure", "laces velcro zip none"), boolean("waterproof"), number("size_eu", 34, 48),
	}},
	{"phone", [5]string{"Telefono", "Téléphone", "Telefon", "Teléfono", "Phone"}, []Attribute{
		brand, colour, weight, keyword("system", "open closed simple"), keyword("port", "usbc lightning micro"), boolean("five_g"), boolean("dual_sim"), number("storage_gb", 16, 1024), number("screen_mm", 90, 180),
	}},
	{"book", [5]string{"Libro", "Livre", "Buch", "Libro", "Book"}, []Attribute{
		weight, keyword("binding", "paperback hardcover spiral"), keyword("written_in", "it fr de es en"), keyword("genre", "novel crime history cooking travel poetry"), boolean("illustrated"), number("pages", 40, 1200), number("published", 1950, 2026),
	}},
	{"chair", [5]string{"Sedia", "Chaise", "Stuhl", "Silla", "Chair"}, []Attribute{
		brand, colour, material, weight, keyword("room", "kitchen office garden dining"), boolean("foldable"), boolean("armrests"), number("height_mm", 400, 1200), number("load_kg", 80, 200),
	}},
}

// newcomer is the kind that comes to a catalog that runs, with attributes that nobody had before.
var newcomer = Kind{"bicycle", [5]string{"Bicicletta", "Vélo", "Fahrrad", "Bicicleta", "Bicycle"}, []Attribute{
	brand, colour, keyword("frame", "trekking city mountain race cargo"), keyword("gears", "hub derailleur single"), keyword("brakes", "disc rim drum"), boolean("electric"), number("range_km", 30, 180), number("wheel_mm", 400, 740),
}}

// unheardOf are the attributes of the newcomer that no other kind has.
func unheardOf() (list []Attribute) {
	before := map[string]bool{}
	for _, a := range registry(kinds...) {
		before[a.Code] = true
	}
	for _, a := range newcomer.attributes {
		if !before[a.Code] {
			list = append(list, a)
		}
	}
	return list
}
