package seed

import "testing"

func TestArticlesElideAndContract(t *testing.T) {
	for _, c := range []struct {
		lang          int
		noun          string
		theOne, ofOne string
	}{
		{italian, "m:olio d'oliva", "l'olio d'oliva", "dell'olio d'oliva"},
		{italian, "m:zaino", "lo zaino", "dello zaino"},
		{italian, "mp:spinaci", "gli spinaci", "degli spinaci"},
		{italian, "mp:pomodori", "i pomodori", "dei pomodori"},
		{italian, "fp:arance", "le arance", "delle arance"},
		{italian, "f:acqua", "l'acqua", "dell'acqua"},
		{italian, "m:succo", "il succo", "del succo"},
		{french, "f:huile d'olive", "l'huile d'olive", "de l'huile d'olive"},
		{french, "f:housse", "la housse", "de la housse"},
		{french, "m:pull", "le pull", "du pull"},
		{french, "fp:bottines", "les bottines", "des bottines"},
		{french, "m:écran", "l'écran", "de l'écran"},
		{german, "n:Olivenöl", "das Olivenöl", ""},
		{german, "p:Kirschtomaten", "die Kirschtomaten", ""},
		{spanish, "f:agua mineral", "el agua mineral", "del agua mineral"},
		{spanish, "f:aspiradora", "la aspiradora", "de la aspiradora"},
		{spanish, "m:aceite", "el aceite", "del aceite"},
		{english, "olive oil", "the olive oil", "of the olive oil"},
	} {
		n, err := asNoun(c.lang, c.noun)
		if err != nil {
			t.Fatal(err)
		}
		if got := the(c.lang, n); got != c.theOne {
			t.Errorf("the(%s) = %q, want %q", c.noun, got, c.theOne)
		}
		if got := ofThe(c.lang, n); c.ofOne != "" && got != c.ofOne {
			t.Errorf("ofThe(%s) = %q, want %q", c.noun, got, c.ofOne)
		}
	}
}

func TestAdjectivesAgree(t *testing.T) {
	red, err := asForms([]string{"rosso rossa rossi rosse", "rouge rouges", "rot", "rojo roja rojos rojas", "red"})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		lang       int
		noun, want string
	}{
		{italian, "fp:scarpe", "rosse"},
		{french, "fp:baskets", "rouges"},
		{german, "n:Kleid", "rotes"},
		{german, "m:Mantel", "roter"},
		{german, "p:Schuhe", "rote"},
		{spanish, "mp:zapatos", "rojos"},
		{english, "shoes", "red"},
	} {
		n, err := asNoun(c.lang, c.noun)
		if err != nil {
			t.Fatal(err)
		}
		if got := red.adjective(c.lang, n); got != c.want {
			t.Errorf("%s: %q, want %q", c.noun, got, c.want)
		}
	}
}

func TestGermanMaterialsJoinShortNouns(t *testing.T) {
	for _, c := range []struct {
		stem, noun, want string
	}{
		{"Woll", "Mantel", "Wollmantel"},
		{"Leinen", "Hemd", "Leinenhemd"},
		{"Leder", "Damenschuhe", ""},
		{"Stahl", "Kochtopf mit Deckel", ""},
	} {
		if got, _ := compound(c.stem, noun{text: c.noun}); got != c.want {
			t.Errorf("%s + %s = %q, want %q", c.stem, c.noun, got, c.want)
		}
	}
}

func TestSentencesChooseByGenderAndNumber(t *testing.T) {
	got := sentence("{The} {ofbrand} [est|sont] [prêt|prête|prêts|prêtes]", french, noun{"huiles", 3}, "Ombreval", "")
	if want := "Les huiles d'Ombreval sont prêtes"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestTheVocabularyIsComplete(t *testing.T) {
	v, err := loadVocabulary()
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range kinds {
		if len(v.models[kind]) < 15 || len(v.brands[kind]) < 8 || len(v.adjectives[kind]) < 5 {
			t.Errorf("%s: %d models, %d brands, %d adjectives", kind, len(v.models[kind]), len(v.brands[kind]), len(v.adjectives[kind]))
		}
		for _, m := range v.models[kind] {
			for _, name := range m.traits["material"] {
				if _, known := v.materials[name]; !known {
					t.Errorf("%s: the material %s of %s is not in materials.txt", kind, name, m.leaf)
				}
			}
			for _, pack := range packs {
				for _, value := range m.traits[pack.trait] {
					if parse(value) <= 0 {
						t.Errorf("%s: %s=%s", m.leaf, pack.trait, value)
					}
				}
			}
		}
		for i, lang := range langs {
			if len(v.sentences[kind][i]) != 3 || len(v.sentences["review"][i]) != 4 {
				t.Errorf("%s %s: sentences are missing", kind, lang)
			}
		}
	}
}
