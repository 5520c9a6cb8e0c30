package change

import (
	"bytes"
	"fmt"
	"math"
	"strconv"
)

// clock is a date or time of day taken apart. Postgres' range (4713 BC to 294276 AD) is larger than time.Time's text forms
// and its 24:00:00 is none of theirs, so the texts are read by hand.
type clock struct {
	days   int64 // since 1970-01-01
	micros int64 // of the day
	zone   int64 // seconds east of UTC
}

const (
	microsPerSecond = 1_000_000
	microsPerDay    = 86400 * microsPerSecond
)

// scanner reads a date's or time's text from the left.
type scanner struct{ rest []byte }

func (s *scanner) number() (n int64, digits int) {
	for digits < len(s.rest) && s.rest[digits] >= '0' && s.rest[digits] <= '9' && digits < 18 {
		n = n*10 + int64(s.rest[digits]-'0')
		digits++
	}
	s.rest = s.rest[digits:]
	return n, digits
}

func (s *scanner) take(c byte) bool {
	if len(s.rest) == 0 || s.rest[0] != c {
		return false
	}
	s.rest = s.rest[1:]
	return true
}

func (s *scanner) date(c *clock) bool {
	year, n := s.number()
	ok := n > 0 && s.take('-')
	month, _ := s.number()
	ok = ok && s.take('-')
	day, n := s.number()
	if !ok || n == 0 || month < 1 || month > 12 {
		return false
	}
	if bytes.HasSuffix(s.rest, []byte(" BC")) {
		year, s.rest = 1-year, s.rest[:len(s.rest)-3]
	}
	c.days = daysFromCivil(year, month, day)
	return true
}

func (s *scanner) timeOfDay(c *clock) bool {
	hour, n := s.number()
	ok := n > 0 && s.take(':')
	minute, _ := s.number()
	ok = ok && s.take(':')
	second, n := s.number()
	if !ok || n == 0 {
		return false
	}
	c.micros = ((hour*60+minute)*60 + second) * microsPerSecond
	if s.take('.') {
		fraction, digits := s.number()
		for ; digits < 6; digits++ {
			fraction *= 10
		}
		c.micros += fraction
	}
	return true
}

// offset reads a zone: "+05:30", "-08", "+00:19:32".
func (s *scanner) offset(c *clock) bool {
	sign := int64(1)
	if !s.take('+') {
		if !s.take('-') {
			return false
		}
		sign = -1
	}
	hours, n := s.number()
	c.zone = hours * 3600
	if s.take(':') {
		minutes, _ := s.number()
		c.zone += minutes * 60
		if s.take(':') {
			seconds, _ := s.number()
			c.zone += seconds
		}
	}
	c.zone *= sign
	return n > 0
}

// daysFromCivil counts the days since 1970-01-01 in the proleptic Gregorian calendar, by counting years from March so that
// the leap day is the last.
func daysFromCivil(year, month, day int64) int64 {
	if month <= 2 {
		year--
		month += 12
	}
	era := floorDiv(year, 400)
	yearOfEra := year - era*400
	dayOfYear := (153*(month-3)+2)/5 + day - 1
	return era*146097 + yearOfEra*365 + yearOfEra/4 - yearOfEra/100 + dayOfYear - 719468
}

// civilFromDays is the inverse of daysFromCivil.
func civilFromDays(days int64) (year, month, day int64) {
	days += 719468
	era := floorDiv(days, 146097)
	dayOfEra := days - era*146097
	yearOfEra := (dayOfEra - dayOfEra/1460 + dayOfEra/36524 - dayOfEra/146096) / 365
	dayOfYear := dayOfEra - (365*yearOfEra + yearOfEra/4 - yearOfEra/100)
	m := (5*dayOfYear + 2) / 153
	year, month, day = era*400+yearOfEra, m+3, dayOfYear-(153*m+2)/5+1
	if month > 12 {
		year, month = year+1, month-12
	}
	return year, month, day
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b != 0 && (a < 0) != (b < 0) {
		q--
	}
	return q
}

// infinite returns +1 or -1 for the two infinities, else 0.
func infinite(text []byte) int {
	switch string(text) {
	case "infinity":
		return 1
	case "-infinity":
		return -1
	}
	return 0
}

func limit(sign int, high, low int64) int64 {
	if sign > 0 {
		return high
	}
	return low
}

func writeDate(_ *Type, dst, text []byte) ([]byte, error) {
	if sign := infinite(text); sign != 0 {
		return strconv.AppendInt(dst, limit(sign, math.MaxInt32, math.MinInt32), 10), nil
	}
	var c clock
	s := scanner{text}
	if !s.date(&c) || len(s.rest) > 0 {
		return dst, fmt.Errorf("date %q", text)
	}
	return strconv.AppendInt(dst, c.days, 10), nil
}

func writeTime(t *Type, dst, text []byte) ([]byte, error) {
	var c clock
	s := scanner{text}
	if !s.timeOfDay(&c) || len(s.rest) > 0 {
		return dst, fmt.Errorf("time %q", text)
	}
	return appendAdaptive(dst, t, c.micros), nil
}

// appendAdaptive writes milliseconds where the column keeps no more than those, else microseconds.
func appendAdaptive(dst []byte, t *Type, micros int64) []byte {
	if t.precision <= 3 {
		return strconv.AppendInt(dst, floorDiv(micros, 1000), 10)
	}
	return strconv.AppendInt(dst, micros, 10)
}

func parseTimestamp(text []byte, zone bool) (micros int64, err error) {
	var c clock
	s := scanner{text}
	// The BC mark stands at the very end, behind the time and the zone; date looks for it there.
	ok := s.date(&c) && s.take(' ') && s.timeOfDay(&c)
	if zone {
		ok = ok && s.offset(&c)
	}
	if !ok || len(s.rest) > 0 {
		return 0, fmt.Errorf("timestamp %q", text)
	}
	if c.days >= math.MaxInt64/microsPerDay {
		return 0, fmt.Errorf("timestamp %q is more microseconds from 1970 than 64 bits hold", text)
	}
	return c.days*microsPerDay + c.micros - c.zone*microsPerSecond, nil
}

func writeTimestamp(t *Type, dst, text []byte) ([]byte, error) {
	if sign := infinite(text); sign != 0 {
		return strconv.AppendInt(dst, limit(sign, math.MaxInt64, math.MinInt64), 10), nil
	}
	micros, err := parseTimestamp(text, false)
	if err != nil {
		return dst, err
	}
	return appendAdaptive(dst, t, micros), nil
}

func writeTimestampTZ(t *Type, dst, text []byte) ([]byte, error) {
	if infinite(text) != 0 {
		return AppendString(dst, text), nil
	}
	micros, err := parseTimestamp(text, true)
	if err != nil {
		return dst, err
	}
	days := floorDiv(micros, microsPerDay)
	year, month, day := civilFromDays(days)
	dst = append(dst, '"')
	switch {
	case year > 9999:
		dst = append(dst, '+')
	case year < 0:
		dst, year = append(dst, '-'), -year
	}
	dst = appendPadded(dst, year, 4)
	dst = appendPadded(append(dst, '-'), month, 2)
	dst = appendPadded(append(dst, '-'), day, 2)
	dst = appendClock(append(dst, 'T'), micros-days*microsPerDay, t.precision, false)
	return append(dst, 'Z', '"'), nil
}

func writeTimeTZ(_ *Type, dst, text []byte) ([]byte, error) {
	var c clock
	s := scanner{text}
	if !s.timeOfDay(&c) || !s.offset(&c) || len(s.rest) > 0 {
		return dst, fmt.Errorf("time with zone %q", text)
	}
	micros := c.micros - c.zone*microsPerSecond
	if c.zone != 0 {
		micros -= floorDiv(micros, microsPerDay) * microsPerDay
	}
	dst = appendClock(append(dst, '"'), micros, 6, true)
	return append(dst, 'Z', '"'), nil
}

// appendClock appends hh:mm:ss and a fraction of so many digits; with trim only the digits that say something.
func appendClock(dst []byte, micros int64, digits int, trim bool) []byte {
	seconds, fraction := micros/microsPerSecond, micros%microsPerSecond
	dst = appendPadded(dst, seconds/3600, 2)
	dst = appendPadded(append(dst, ':'), seconds/60%60, 2)
	dst = appendPadded(append(dst, ':'), seconds%60, 2)
	if trim {
		if digits = 6; fraction == 0 {
			digits = 0
		}
		for f := fraction; digits > 0 && f%10 == 0; f /= 10 {
			digits--
		}
	}
	if digits == 0 {
		return dst
	}
	for i := digits; i < 6; i++ {
		fraction /= 10
	}
	return appendPadded(append(dst, '.'), fraction, digits)
}

func appendPadded(dst []byte, v int64, width int) []byte {
	for power := int64(math.Pow10(width - 1)); power > 1 && v < power; power /= 10 {
		dst = append(dst, '0')
	}
	return strconv.AppendInt(dst, v, 10)
}

// writeInterval writes microseconds, a month counting a twelfth of 365.25 days, clamped to what an int64 holds. The text
// is ISO 8601 as Postgres writes it: "P1Y2M3DT4H5M6.78S", each part with a sign of its own.
func writeInterval(_ *Type, dst, text []byte) ([]byte, error) {
	if !bytes.HasPrefix(text, []byte("P")) {
		if sign := infinite(text); sign != 0 {
			return strconv.AppendInt(dst, limit(sign, math.MaxInt64, math.MinInt64), 10), nil
		}
		return dst, fmt.Errorf("interval %q", text)
	}
	const month = 36525 * microsPerDay / 1200
	units := map[byte]float64{'Y': 12 * month, 'M': month, 'W': 7 * microsPerDay, 'D': microsPerDay}
	var exact int64
	var rough float64
	for rest := text[1:]; len(rest) > 0; {
		if rest[0] == 'T' {
			units, rest = map[byte]float64{'H': 3600 * microsPerSecond, 'M': 60 * microsPerSecond, 'S': microsPerSecond}, rest[1:]
			continue
		}
		n := bytes.IndexFunc(rest, func(r rune) bool { return r >= 'A' && r <= 'Z' })
		if n < 0 || units[rest[n]] == 0 {
			return dst, fmt.Errorf("interval %q", text)
		}
		micros, err := scaled(rest[:n], int64(units[rest[n]]))
		if err != nil {
			return dst, fmt.Errorf("interval %q: %w", text, err)
		}
		value, err := strconv.ParseFloat(string(rest[:n]), 64)
		if err != nil {
			return dst, fmt.Errorf("interval %q: %w", text, err)
		}
		rough += value * units[rest[n]]
		exact += micros
		rest = rest[n+1:]
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
