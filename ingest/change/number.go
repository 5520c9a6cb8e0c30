package change

import (
	"bytes"
	"fmt"
	"math"
	"strconv"
)

// writeInteger is for integers, whose text is JSON already.
func writeInteger(_ *Type, dst, text []byte) ([]byte, error) {
	if unsigned := bytes.TrimPrefix(text, []byte("-")); digits(unsigned) != len(unsigned) || !isNumber(text) {
		return dst, fmt.Errorf("integer %.40q", text)
	}
	return append(dst, text...), nil
}

func writeBool(_ *Type, dst, text []byte) ([]byte, error) {
	if len(text) == 1 {
		switch text[0] {
		case 't', '1':
			return append(dst, "true"...), nil
		case 'f', '0':
			return append(dst, "false"...), nil
		}
	}
	return dst, fmt.Errorf("boolean %q", text)
}

// writeFloat keeps Postgres' shortest text, which is JSON but for the three values that JSON lacks.
func writeFloat(_ *Type, dst, text []byte) ([]byte, error) {
	switch string(text) {
	case "NaN", "Infinity", "-Infinity":
		return AppendString(dst, text), nil
	}
	if !isNumber(text) {
		return dst, fmt.Errorf("float %.40q", text)
	}
	return append(dst, text...), nil
}

// isNumber says whether text is a JSON number.
func isNumber(text []byte) bool {
	text = bytes.TrimPrefix(text, []byte("-"))
	whole := digits(text)
	rest := text[whole:]
	if whole == 0 || whole > 1 && text[0] == '0' {
		return false
	}
	if len(rest) > 0 && rest[0] == '.' {
		n := digits(rest[1:])
		if n == 0 {
			return false
		}
		rest = rest[1+n:]
	}
	if len(rest) > 1 && rest[0]|0x20 == 'e' {
		if rest = rest[1:]; len(rest) > 1 && (rest[0] == '+' || rest[0] == '-') {
			rest = rest[1:]
		}
		return digits(rest) == len(rest)
	}
	return len(rest) == 0
}

// digits counts the digits at the front of text.
func digits(text []byte) int {
	for i, c := range text {
		if c < '0' || c > '9' {
			return i
		}
	}
	return len(text)
}

// appendFloat appends a float64 as JSON; what JSON lacks, which a numeric out of range becomes, as a string.
func appendFloat(dst []byte, v float64) []byte {
	switch {
	case v != v:
		return append(dst, `"NaN"`...)
	case v > maxFloat:
		return append(dst, `"Infinity"`...)
	case v < -maxFloat:
		return append(dst, `"-Infinity"`...)
	}
	return strconv.AppendFloat(dst, v, 'g', -1, 64)
}

const maxFloat = math.MaxFloat64
