package change

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"math/big"
	"strconv"
	"strings"
)

// Type says how a column's text becomes JSON. TypeOf makes it.
type Type struct {
	write func(t *Type, dst, text []byte) ([]byte, error)
	// precision is the number of fraction digits of a time type, 6 unless declared.
	precision int
	// scale is a numeric's, -1 when it was declared without one.
	scale int
	elem  *Type // of an array
	ph    string
}

// PostgresType is a type as the catalog describes it, a domain already resolved to its base type.
type PostgresType struct {
	Name     string        // pg_type.typname
	Modifier int32         // atttypmod, -1 when there is none
	Elem     *PostgresType // of an array
}

// TypeOf returns how values of a type are written. Types that are not known here are written as a string holding
// Postgres' own text, so that no column is lost.
func TypeOf(pg PostgresType) Type {
	if pg.Elem != nil {
		elem := TypeOf(PostgresType{Name: pg.Elem.Name, Modifier: pg.Modifier, Elem: pg.Elem.Elem})
		return Type{write: writeArray, elem: &elem, ph: arrayPlaceholder(pg.Elem.Name)}
	}
	t := Type{write: writeString, precision: precision(pg), scale: -1, ph: `"` + Placeholder + `"`}
	switch pg.Name {
	case "int2", "int4", "int8", "oid":
		t.write = writeVerbatim
	case "float4", "float8":
		t.write = writeFloat
	case "bool":
		t.write = writeBool
	case "numeric":
		t.write = writeFreeNumeric
		if pg.Modifier >= 4 {
			t.write, t.scale = writeNumeric, numericScale(pg.Modifier)
		}
	case "money":
		t.write, t.scale = writeMoney, 2
	case "bytea":
		t.write, t.ph = writeBytea, base64Text([]byte(Placeholder))
	case "bit":
		if t.write = writeBits; pg.Modifier == 1 {
			t.write = writeBool
		}
	case "varbit":
		t.write = writeBits
	case "hstore":
		t.write, t.ph = writeHstore, `"{\"`+Placeholder+`\":\"`+Placeholder+`\"}"`
	case "point":
		t.write = writePoint
	default:
		t.writeAsTime(pg.Name)
	}
	return t
}

func (t *Type) writeAsTime(name string) {
	switch name {
	case "date":
		t.write = writeDate
	case "time":
		t.write = writeTime
	case "timetz":
		t.write = writeTimeTZ
	case "timestamp":
		t.write = writeTimestamp
	case "timestamptz":
		t.write = writeTimestampTZ
	case "interval":
		t.write = writeInterval
	}
}

// precision is 6 where the modifier does not say otherwise; only the time types ask.
func precision(pg PostgresType) int {
	if pg.Modifier >= 0 && pg.Modifier <= 6 {
		return int(pg.Modifier)
	}
	return 6
}

// numericScale reads the scale out of a numeric's modifier: eleven bits, signed since Postgres 15.
func numericScale(modifier int32) int { return int(((modifier-4)&0x7ff)^1024) - 1024 }

func (t *Type) appendValue(dst, text []byte) ([]byte, error) { return t.write(t, dst, text) }

func (t *Type) placeholder() string { return t.ph }

// arrayPlaceholder follows Debezium's odd forms, which its readers know: an array of numbers holds the bytes of the text.
func arrayPlaceholder(elem string) string {
	switch elem {
	case "int2", "int4", "int8", "oid", "date":
		var b strings.Builder
		for i := range len(Placeholder) {
			b.WriteByte(',')
			b.WriteString(strconv.Itoa(int(Placeholder[i])))
		}
		return "[" + b.String()[1:] + "]"
	case "uuid":
		return `["b68a35a7-17ad-35b3-af2a-ae46edb4545a"]` // the name-based UUID of the placeholder
	case "bytea":
		return "[" + base64Text([]byte(Placeholder)) + "]"
	}
	return `["` + Placeholder + `"]`
}

func base64Text(b []byte) string { return `"` + base64.StdEncoding.EncodeToString(b) + `"` }

func appendBase64(dst, b []byte) []byte {
	return append(base64.StdEncoding.AppendEncode(append(dst, '"'), b), '"')
}

func writeString(_ *Type, dst, text []byte) ([]byte, error) { return AppendString(dst, text), nil }

// writeVerbatim is for integers, whose text is JSON already.
func writeVerbatim(_ *Type, dst, text []byte) ([]byte, error) {
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

func writeBytea(_ *Type, dst, text []byte) ([]byte, error) {
	if !bytes.HasPrefix(text, []byte(`\x`)) {
		return dst, fmt.Errorf("bytea not in hexadecimal form: %.20q", text)
	}
	raw := make([]byte, hex.DecodedLen(len(text)-2))
	if _, err := hex.Decode(raw, text[2:]); err != nil {
		return dst, fmt.Errorf("bytea: %w", err)
	}
	return appendBase64(dst, raw), nil
}

// writeBits writes a bit string as its bytes, the least significant first, without leading zeros.
func writeBits(_ *Type, dst, text []byte) ([]byte, error) {
	raw := make([]byte, (len(text)+7)/8)
	for i, c := range text {
		if c != '0' && c != '1' {
			return dst, fmt.Errorf("bit string %.20q", text)
		}
		if bit := len(text) - 1 - i; c == '1' {
			raw[bit/8] |= 1 << (bit % 8)
		}
	}
	for len(raw) > 0 && raw[len(raw)-1] == 0 {
		raw = raw[:len(raw)-1]
	}
	return appendBase64(dst, raw), nil
}

// decimal splits a decimal number's text into its unscaled digits and its scale; ok is false for NaN and the infinities.
func decimal(text []byte) (digits []byte, scale int, ok bool, err error) {
	if bytes.Equal(text, []byte("NaN")) || bytes.HasSuffix(text, []byte("Infinity")) {
		return nil, 0, false, nil
	}
	digits = make([]byte, 0, len(text))
	point := -1
	for i, c := range text {
		switch {
		case c >= '0' && c <= '9', c == '-' && i == 0:
			digits = append(digits, c)
		case c == '.' && point < 0:
			point = i
		default:
			return nil, 0, false, fmt.Errorf("numeric %.40q", text)
		}
	}
	if point >= 0 {
		scale = len(text) - point - 1
	}
	return digits, scale, true, nil
}

// appendUnscaled appends digits times 10^shift as base64 of its big-endian two's complement, as short as it can be.
func appendUnscaled(dst, digits []byte, shift int) ([]byte, error) {
	if len(digits)+shift <= 18 && shift >= 0 {
		if v, err := strconv.ParseInt(string(digits), 10, 64); err == nil {
			for ; shift > 0; shift-- {
				v *= 10
			}
			return appendBase64(dst, twosComplement64(v)), nil
		}
	}
	v, ok := new(big.Int).SetString(string(digits), 10)
	if !ok {
		return dst, fmt.Errorf("numeric digits %.40q", digits)
	}
	power := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(max(shift, -shift))), nil)
	if shift >= 0 {
		v.Mul(v, power)
	} else if _, rest := v.QuoRem(v, power, new(big.Int)); rest.Sign() != 0 {
		return dst, fmt.Errorf("numeric digits %.40q do not fit a scale smaller by %d", digits, -shift)
	}
	return appendBase64(dst, twosComplement(v)), nil
}

func twosComplement64(v int64) []byte {
	b := []byte{byte(v >> 56), byte(v >> 48), byte(v >> 40), byte(v >> 32), byte(v >> 24), byte(v >> 16), byte(v >> 8), byte(v)}
	for len(b) > 1 && (b[0] == 0 && b[1] < 0x80 || b[0] == 0xff && b[1] >= 0x80) {
		b = b[1:]
	}
	return b
}

func twosComplement(v *big.Int) []byte {
	if v.Sign() >= 0 {
		b := v.Bytes()
		if len(b) == 0 || b[0] >= 0x80 {
			b = append([]byte{0}, b...)
		}
		return b
	}
	// A negative number is 2^n + v for the smallest n that keeps its sign bit.
	n := uint(new(big.Int).Add(v, big.NewInt(1)).BitLen()/8+1) * 8
	return new(big.Int).Add(v, new(big.Int).Lsh(big.NewInt(1), n)).Bytes()
}

func writeNumeric(t *Type, dst, text []byte) ([]byte, error) {
	unscaled, scale, ok, err := decimal(text)
	if err != nil || !ok {
		return append(dst, "null"...), err
	}
	return appendUnscaled(dst, unscaled, t.scale-scale)
}

func writeFreeNumeric(_ *Type, dst, text []byte) ([]byte, error) {
	unscaled, scale, ok, err := decimal(text)
	if err != nil || !ok {
		return append(dst, "null"...), err
	}
	// Trailing zeros of the fraction say nothing.
	for scale > 0 && len(unscaled) > 1 && unscaled[len(unscaled)-1] == '0' {
		unscaled, scale = unscaled[:len(unscaled)-1], scale-1
	}
	dst = strconv.AppendInt(append(dst, `{"scale":`...), int64(scale), 10)
	if dst, err = appendUnscaled(append(dst, `,"value":`...), unscaled, 0); err != nil {
		return dst, err
	}
	return append(dst, '}'), nil
}

// writeMoney reads the amount out of whatever the locale puts around it: currency signs and separators go, the last
// separator with two digits behind it is the decimal point.
func writeMoney(t *Type, dst, text []byte) ([]byte, error) {
	digits := make([]byte, 0, len(text)+1)
	for _, c := range text {
		switch {
		case (c == '-' || c == '(') && len(digits) == 0:
			digits = append(digits, '-')
		case c >= '0' && c <= '9':
			digits = append(digits, c)
		}
	}
	return appendUnscaled(dst, digits, 0)
}
