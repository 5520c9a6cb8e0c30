package change

import (
	"fmt"
	"strconv"
)

// moneyScale is money.fraction.digits.
const moneyScale = 2

// moneyDigits reads the amount in hundredths out of whatever the locale puts around it: currency signs and separators go.
func moneyDigits(text []byte) (cents int64, err error) {
	kept := make([]byte, 0, 24)
	for _, c := range text {
		switch {
		case (c == '-' || c == '(') && len(kept) == 0:
			kept = append(kept, '-')
		case c >= '0' && c <= '9' && len(kept) < cap(kept):
			kept = append(kept, c)
		}
	}
	if cents, err = strconv.ParseInt(string(kept), 10, 64); err != nil {
		return 0, fmt.Errorf("money %.40q: %w", text, err)
	}
	return cents, nil
}

func writeMoney(_ *Type, dst, text []byte) ([]byte, error) {
	cents, err := moneyDigits(text)
	if err != nil {
		return dst, err
	}
	var b [8]byte
	return appendBase64(dst, twosComplement64(&b, cents)), nil
}

func writeMoneyText(_ *Type, dst, text []byte) ([]byte, error) {
	cents, err := moneyDigits(text)
	if err != nil {
		return dst, err
	}
	return append(appendCents(append(dst, '"'), cents), '"'), nil
}

func writeMoneyDouble(_ *Type, dst, text []byte) ([]byte, error) {
	cents, err := moneyDigits(text)
	if err != nil {
		return dst, err
	}
	v, err := strconv.ParseFloat(string(appendCents(nil, cents)), 64)
	if err != nil {
		return dst, fmt.Errorf("money %.40q: %w", text, err)
	}
	return appendFloat(dst, v), nil
}

// appendCents appends hundredths as a decimal number; the unsigned form holds the smallest int64 too.
func appendCents(dst []byte, cents int64) []byte {
	u := uint64(cents)
	if cents < 0 {
		dst, u = append(dst, '-'), -u
	}
	dst = append(strconv.AppendUint(dst, u/100, 10), '.')
	return appendPadded(dst, int64(u%100), 2)
}
