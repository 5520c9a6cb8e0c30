package change

import (
	"bytes"
	"fmt"
	"math"
	"strconv"
)

// interval is the text that Postgres writes under IntervalStyle iso_8601, "P1Y2M3DT4H5M6.78S", taken apart: the numbers of
// years, months, days, hours, minutes and seconds, each with a sign of its own; nil where one is missing.
type interval [6][]byte

const intervalUnits = "YMDHMS"

func parseInterval(text []byte) (parts interval, err error) {
	rest, next := bytes.TrimPrefix(text, []byte("P")), 0
	if len(rest) == len(text) || len(rest) == 0 {
		return parts, fmt.Errorf("interval %q", text)
	}
	for len(rest) > 0 {
		if rest[0] == 'T' {
			rest, next = rest[1:], max(next, 3)
			continue
		}
		n := len(rest) - len(bytes.TrimLeft(rest, "-0123456789."))
		if n == len(rest) || !isNumber(rest[:n]) {
			return parts, fmt.Errorf("interval %q", text)
		}
		unit := bytes.IndexByte([]byte(intervalUnits[next:]), rest[n])
		if unit < 0 {
			return parts, fmt.Errorf("interval %q", text)
		}
		next += unit
		if parts[next] != nil {
			return parts, fmt.Errorf("interval %q", text)
		}
		parts[next], rest = rest[:n], rest[n+1:]
	}
	return parts, nil
}

// unitMicros are the lengths of the parts; a month is a twelfth of 365.25 days.
var unitMicros = [6]int64{36525 * microsPerDay / 100, 36525 * microsPerDay / 1200, microsPerDay, 3600 * microsPerSecond, 60 * microsPerSecond, microsPerSecond}

// writeInterval writes microseconds, clamped to what an int64 holds.
func writeInterval(_ *Type, dst, text []byte) ([]byte, error) {
	if sign := infinite(text); sign != 0 {
		return strconv.AppendInt(dst, limit[int64](sign, math.MaxInt64, math.MinInt64), 10), nil
	}
	parts, err := parseInterval(text)
	if err != nil {
		return dst, err
	}
	var exact int64
	var rough float64
	for i, number := range parts {
		if number == nil {
			continue
		}
		micros, err := scaled(number, unitMicros[i])
		if err != nil {
			return dst, fmt.Errorf("interval %q: %w", text, err)
		}
		value, err := strconv.ParseFloat(string(number), 64)
		if err != nil {
			return dst, fmt.Errorf("interval %q: %w", text, err)
		}
		rough += value * float64(unitMicros[i])
		exact += micros
	}
	switch {
	case rough >= math.MaxInt64:
		exact = math.MaxInt64
	case rough <= math.MinInt64:
		exact = math.MinInt64
	}
	return strconv.AppendInt(dst, exact, 10), nil
}

// scaled returns a decimal number of at most six fraction digits times unit, exactly; it wraps around where the product
// does not fit, which the caller sees by the rough sum.
func scaled(number []byte, unit int64) (int64, error) {
	whole, fraction, _ := bytes.Cut(number, []byte("."))
	v, err := strconv.ParseInt(string(whole), 10, 64)
	if err != nil {
		return 0, err
	}
	v *= unit
	if len(fraction) == 0 {
		return v, nil
	}
	digits := append(append([]byte{}, fraction...), "000000"...)[:6]
	f, err := strconv.ParseInt(string(digits), 10, 64)
	if err != nil {
		return 0, err
	}
	f = f * unit / microsPerSecond
	if bytes.HasPrefix(whole, []byte("-")) {
		f = -f
	}
	return v + f, nil
}

// writeIntervalText writes every part, as Debezium does: "P0Y0M-1DT0H0M-1S".
func writeIntervalText(_ *Type, dst, text []byte) ([]byte, error) {
	if infinite(text) != 0 {
		return AppendString(dst, text), nil
	}
	parts, err := parseInterval(text)
	if err != nil {
		return dst, err
	}
	dst = append(dst, '"', 'P')
	for i, number := range parts {
		if i == 3 {
			dst = append(dst, 'T')
		}
		if number == nil {
			number = []byte("0")
		}
		dst = append(append(dst, number...), intervalUnits[i])
	}
	return append(dst, '"'), nil
}
