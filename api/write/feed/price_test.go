package feed

import (
	"strings"
	"testing"

	currencies "freshet/api/currency"
)

func TestParsePrice(t *testing.T) {
	for _, c := range []struct {
		in       string
		amount   int64
		currency string
	}{
		{"15.00 EUR", 1500, "EUR"},
		{"15 EUR", 1500, "EUR"},
		{"15.5 eur", 1550, "EUR"},
		{"EUR 15.50", 1550, "EUR"},
		{"15.50EUR", 1550, "EUR"},
		{"15,50 EUR", 1550, "EUR"},
		{"0.05 GBP", 5, "GBP"},
		{"0 EUR", 0, "EUR"},
		{"1500 JPY", 1500, "JPY"},
		{"1500.00 JPY", 1500, "JPY"},
		{"1.500 KWD", 1500, "KWD"},
		{"1.5 KWD", 1500, "KWD"},
		{"1000000000.00 EUR", 100_000_000_000, "EUR"},
		{"0000000000000015.00 EUR", 1500, "EUR"},
	} {
		amount, currency, err := parsePrice(c.in)
		if err != nil || amount != c.amount || currency != c.currency {
			t.Errorf("parsePrice(%q) = %d %s, %v; want %d %s", c.in, amount, currency, err, c.amount, c.currency)
		}
	}
}

func TestParsePriceRefuses(t *testing.T) {
	for in, reason := range map[string]string{
		"":                               "empty",
		"15.00":                          "no currency",
		"EUR":                            "",
		"15.00 €":                        "",
		"-1.00 EUR":                      "",
		"+1.00 EUR":                      "",
		"1e3 EUR":                        "",
		"15. EUR":                        "",
		".50 EUR":                        "",
		"1.500 EUR":                      "2 decimals",
		"1,500 EUR":                      "thousands",
		"1.500,00 EUR":                   "",
		"1,500 KWD":                      "thousands",
		"15.001 EUR":                     "2 decimals",
		"1500.50 JPY":                    "0 decimals",
		"1000000000.01 EUR":              "too large",
		"99999999999999999999.00 EUR":    "too large",
		"٣.00 EUR":                       "",
		"15.00 EUR and more":             "",
		strings.Repeat("9", 99) + " EUR": "too large",
		"15.00\u00a0EUR extra":           "",
		"15.00 E1R":                      "",
	} {
		amount, _, err := parsePrice(in)
		if err == nil {
			t.Errorf("parsePrice(%q) = %d, want an error", in, amount)
		} else if !strings.Contains(err.Error(), reason) {
			t.Errorf("parsePrice(%q): %v, want %q in it", in, err, reason)
		}
	}
}

func FuzzParsePrice(f *testing.F) {
	for _, s := range []string{"15.00 EUR", "EUR 15,5", "1500JPY", "1.5 KWD", "..", ",", "EUR EUR"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		amount, currency, err := parsePrice(s)
		if err != nil {
			return
		}
		if amount < 0 || amount > maxAmount || len(currency) != 3 || currency != strings.ToUpper(currency) {
			t.Fatalf("parsePrice(%q) = %d %q", s, amount, currency)
		}
		if again, _, err := parsePrice(spell(amount, currency)); err != nil || again != amount {
			t.Fatalf("parsePrice(%q) = %d, but spelt out again %d, %v", s, amount, again, err)
		}
	})
}

// spell writes an amount as a feed does.
func spell(amount int64, currency string) string {
	digits := currencies.Digits(currency)
	text := strings.Repeat("0", digits+1)
	text += itoa(amount)
	text = text[:len(text)-digits] + "." + text[len(text)-digits:]
	return strings.TrimSuffix(text, ".") + " " + currency
}
