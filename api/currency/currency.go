// Package currency knows how many decimals an amount of a currency has. The feed reader and the search of storefronts, which
// both meet prices written with decimals, call it; everything else counts minor units.
package currency

// digits are the currencies of ISO 4217 whose minor unit is not a hundredth.
var digits = map[string]int{
	"BIF": 0, "CLP": 0, "DJF": 0, "GNF": 0, "ISK": 0, "JPY": 0, "KMF": 0, "KRW": 0, "PYG": 0, "RWF": 0, "UGX": 0, "UYI": 0,
	"VND": 0, "VUV": 0, "XAF": 0, "XOF": 0, "XPF": 0,
	"BHD": 3, "IQD": 3, "JOD": 3, "KWD": 3, "LYD": 3, "OMR": 3, "TND": 3,
	"CLF": 4, "UYW": 4,
}

// Digits is how many decimals an amount of the currency has.
func Digits(code string) int {
	if n, special := digits[code]; special {
		return n
	}
	return 2
}
