package notify

import (
	"embed"
	"fmt"
	"strings"
	"text/template"
)

//go:embed templates/*.txt
var files embed.FS

// texts are the templates by language: each kind's text, whose first line is the subject. They show numbers and what the
// shop itself wrote, and nothing that a customer may choose: a mail that says what a stranger typed is a way to send spam.
var texts = func() map[string]*template.Template {
	all := map[string]*template.Template{}
	for _, lang := range []string{"it", "fr", "de", "es", "en"} {
		all[lang] = template.Must(template.New(lang).Option("missingkey=error").ParseFS(files, "templates/"+lang+".txt"))
	}
	return all
}()

// words are what a template shows.
type words struct {
	Event
	StoreName string
	Money     string
}

// render makes subject and body of an event for a recipient; in English where their language has no texts.
func render(e Event, to Recipient) (subject, body string, err error) {
	set, ok := texts[to.Lang]
	if !ok {
		set = texts["en"]
	}
	var b strings.Builder
	err = set.ExecuteTemplate(&b, string(e.Kind), words{Event: e, StoreName: to.Store, Money: money(e.Amount, to)})
	if err != nil {
		return "", "", fmt.Errorf("render %s: %w", e.ID, err)
	}
	subject, body, _ = strings.Cut(strings.TrimSpace(b.String()), "\n")
	return strings.TrimSpace(subject), strings.TrimSpace(body) + "\n", nil
}

// money writes an amount of minor units with the decimals of its currency.
func money(amount int64, to Recipient) string {
	text := fmt.Sprintf("%0*d", to.Decimals+1, amount)
	if whole := len(text) - to.Decimals; whole < len(text) {
		text = text[:whole] + "." + text[whole:]
	}
	return text + " " + to.Currency
}
