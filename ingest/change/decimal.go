package change

import (
	"bytes"
	"fmt"
	"math/big"
	"strconv"
)

// decimalMeaning is Connect's name of a decimal in bytes.
const decimalMeaning = "org.apache.kafka.connect.data.Decimal"

// numeric chooses by the modifier, which holds precision and scale, and the mode.
func (t *Type) numeric(modifier int32, mode string) {
	if modifier < 4 {
		t.decimal(mode, writeFreeNumeric, writeNumericText, writeNumericDouble)
		if mode == "precise" {
			t.zero, t.placeholder = `{"scale":0,"value":"AA=="}`, `{"scale":0,"value":`+base64Text([]byte(Placeholder))+`}`
			t.schema = semantic("struct", "io.debezium.data.VariableScaleDecimal")
			t.schema.Doc = "Variable scaled decimal"
			t.schema.Fields = []Field{{"scale", plain("int32")}, {"value", plain("bytes")}}
		}
		return
	}
	t.scale = numericScale(modifier)
	t.decimal(mode, writeNumeric, writeNumericText, writeNumericDouble)
	if mode == "precise" {
		t.schema.Parameters = append(t.schema.Parameters, Parameter{"connect.decimal.precision", strconv.Itoa(int((modifier - 4) >> 16 & 0xffff))})
	}
}

// decimal picks the writer of the mode.
func (t *Type) decimal(mode string, precise, text, double func(*Type, []byte, []byte) ([]byte, error)) {
	switch mode {
	case "string":
		t.write, t.zero, t.schema.Kind = text, `"0"`, "string"
		if t.scale > 0 {
			t.zero = `"` + padded("0", t.scale) + `"`
		}
	case "double":
		t.write, t.placeholder, t.schema.Kind = double, `"NaN"`, "double"
	default:
		t.write, t.zero, t.placeholder = precise, `"AA=="`, base64Text([]byte(Placeholder))
		t.schema = semantic("bytes", decimalMeaning)
		t.schema.Parameters = []Parameter{{"scale", strconv.Itoa(t.scale)}}
	}
}

// numericScale reads the scale out of a numeric's modifier: eleven bits, signed since Postgres 15.
func numericScale(modifier int32) int { return int(((modifier-4)&0x7ff)^1024) - 1024 }

// specialNumeric returns Debezium's name of a numeric that is no number, "" for the others.
func specialNumeric(text []byte) string {
	switch string(text) {
	case "NaN":
		return "NAN"
	case "Infinity":
		return "POSITIVE_INFINITY"
	case "-Infinity":
		return "NEGATIVE_INFINITY"
	}
	return ""
}

// writeNumericText keeps Postgres' text, which has as many fraction digits as the column's scale and no exponent.
func writeNumericText(_ *Type, dst, text []byte) ([]byte, error) {
	if special := specialNumeric(text); special != "" {
		return append(append(append(dst, '"'), special...), '"'), nil
	}
	if !isNumber(text) {
		return dst, fmt.Errorf("numeric %.40q", text)
	}
	return append(append(append(dst, '"'), text...), '"'), nil
}

// writeNumericDouble writes the nearest float64 in its shortest form.
func writeNumericDouble(_ *Type, dst, text []byte) ([]byte, error) {
	if specialNumeric(text) != "" {
		return AppendString(dst, text), nil
	}
	v, err := strconv.ParseFloat(string(text), 64)
	if err != nil && v == 0 || !isNumber(text) {
		return dst, fmt.Errorf("numeric %.40q", text)
	}
	return appendFloat(dst, v), nil
}

// unscaled is a decimal number as an integer and a scale. The integer is small where it fits, else it is in digits.
type unscaled struct {
	small  int64
	digits []byte // with sign; nil when small holds the number
	scale  int
}

// smallDigits is how many digits always fit an int64.
const smallDigits = 18

// parseDecimal takes a decimal text apart. It allocates for more than smallDigits digits only.
func parseDecimal(text []byte) (unscaled, error) {
	rest := bytes.TrimPrefix(text, []byte("-"))
	var u unscaled
	count, point := 0, -1
	for i, c := range rest {
		switch {
		case c >= '0' && c <= '9':
			if count++; count <= smallDigits {
				u.small = u.small*10 + int64(c-'0')
			}
		case c == '.' && point < 0:
			point = i
		default:
			return u, fmt.Errorf("numeric %.40q", text)
		}
	}
	if count == 0 {
		return u, fmt.Errorf("numeric %.40q", text)
	}
	if point >= 0 {
		u.scale = len(rest) - point - 1
	}
	if len(rest) < len(text) {
		u.small = -u.small
	}
	if count > smallDigits {
		u.digits = bytes.ReplaceAll(text, []byte("."), nil)
	}
	return u, nil
}

// strip takes the zeros off the end of the fraction.
func (u *unscaled) strip() {
	for u.digits == nil && u.scale > 0 && u.small%10 == 0 {
		u.small, u.scale = u.small/10, u.scale-1
	}
	for n := len(u.digits); n > 1 && u.scale > 0 && u.digits[n-1] == '0'; n-- {
		u.digits, u.scale = u.digits[:n-1], u.scale-1
	}
}

// append appends the number at the given scale as base64 of its big-endian two's complement, as short as it can be.
func (u *unscaled) append(dst []byte, scale int) ([]byte, error) {
	shift := scale - u.scale
	if u.digits == nil && shift == 0 {
		var b [8]byte
		return appendBase64(dst, twosComplement64(&b, u.small)), nil
	}
	v := big.NewInt(u.small)
	if u.digits != nil {
		if _, ok := v.SetString(string(u.digits), 10); !ok {
			return dst, fmt.Errorf("numeric digits %.40q", u.digits)
		}
	}
	power := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(max(shift, -shift))), nil)
	if shift >= 0 {
		v.Mul(v, power)
	} else if _, rest := v.QuoRem(v, power, new(big.Int)); rest.Sign() != 0 {
		return dst, fmt.Errorf("numeric of scale %d does not fit scale %d", u.scale, scale)
	}
	return appendBase64(dst, twosComplement(v)), nil
}

func twosComplement64(b *[8]byte, v int64) []byte {
	for i := range b {
		b[i] = byte(v >> (56 - 8*i))
	}
	short := b[:]
	for len(short) > 1 && (short[0] == 0 && short[1] < 0x80 || short[0] == 0xff && short[1] >= 0x80) {
		short = short[1:]
	}
	return short
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
	if specialNumeric(text) != "" {
		return append(dst, "null"...), nil
	}
	u, err := parseDecimal(text)
	if err != nil {
		return dst, err
	}
	return u.append(dst, t.scale)
}

func writeFreeNumeric(_ *Type, dst, text []byte) ([]byte, error) {
	if specialNumeric(text) != "" {
		return append(dst, "null"...), nil
	}
	u, err := parseDecimal(text)
	if err != nil {
		return dst, err
	}
	u.strip() // trailing zeros of the fraction say nothing
	dst = strconv.AppendInt(append(dst, `{"scale":`...), int64(u.scale), 10)
	if dst, err = u.append(append(dst, `,"value":`...), u.scale); err != nil {
		return dst, err
	}
	return append(dst, '}'), nil
}
