package feed

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	currencies "freshet/api/currency"
)

// maxAmount is the schema's bound of a price, in minor units.
const maxAmount = 100_000_000_000

// parsePrice reads "15.00 EUR" as minor units and a currency, exactly. A comma is taken as the decimal sign only where it can
// be nothing else; what might be thousands is refused, since a wrong price is worse than none.
func parsePrice(s string) (amount int64, currency string, err error) {
	number, currency, err := splitPrice(s)
	if err != nil {
		return 0, "", err
	}
	digits := currencies.Digits(currency)
	whole, fraction, hasFraction := strings.Cut(number, ".")
	if !hasFraction {
		whole, fraction, hasFraction = strings.Cut(number, ",")
		if hasFraction && (len(fraction) == 3 || len(fraction) != digits) {
			return 0, "", fmt.Errorf("%q: a comma that could mean thousands; write the price as 1234.50 %s", s, currency)
		}
	}
	if digits == 0 && strings.Trim(fraction, "0") == "" && len(fraction) <= 2 {
		fraction = ""
	}
	if whole == "" || (hasFraction && fraction == "" && digits != 0) || !decimal(whole) || !decimal(fraction) {
		return 0, "", fmt.Errorf("%q is not a price such as 15.00 %s", s, currency)
	}
	if len(fraction) > digits {
		return 0, "", fmt.Errorf("%q: %s has %d decimals", s, currency, digits)
	}
	whole = strings.TrimLeft(whole, "0")
	if len(whole) > 12 {
		return 0, "", fmt.Errorf("%q is too large a price", s)
	}
	amount, err = strconv.ParseInt("0"+whole+fraction+strings.Repeat("0", digits-len(fraction)), 10, 64)
	if err != nil || amount > maxAmount {
		return 0, "", fmt.Errorf("%q is too large a price", s)
	}
	return amount, currency, nil
}

// splitPrice takes number and currency apart; the currency may stand first.
func splitPrice(s string) (number, currency string, err error) {
	parts := strings.Fields(s)
	if len(parts) == 1 && len(s) > 3 && isCode(s[len(s)-3:]) { // "15.00EUR"
		parts = []string{s[:len(s)-3], s[len(s)-3:]}
	}
	switch {
	case len(parts) == 2 && isCode(parts[1]):
		return parts[0], strings.ToUpper(parts[1]), nil
	case len(parts) == 2 && isCode(parts[0]):
		return parts[1], strings.ToUpper(parts[0]), nil
	case len(parts) == 1:
		return "", "", fmt.Errorf("%q has no currency", s)
	case len(parts) == 0:
		return "", "", errors.New("the price is empty")
	default:
		return "", "", fmt.Errorf("%q is not a price such as 15.00 EUR", s)
	}
}

func isCode(s string) bool {
	if len(s) != 3 {
		return false
	}
	for i := range len(s) {
		if c := s[i] | 0x20; c < 'a' || c > 'z' {
			return false
		}
	}
	return true
}

func decimal(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}
