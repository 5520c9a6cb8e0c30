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

// appendDate appends a date in ISO 8601, years past 9999 and before 0 with a sign.
func appendDate(dst []byte, days int64) []byte {
	year, month, day := civilFromDays(days)
	switch {
	case year > 9999:
		dst = append(dst, '+')
	case year < 0:
		dst, year = append(dst, '-'), -year
	}
	dst = appendPadded(dst, year, 4)
	dst = appendPadded(append(dst, '-'), month, 2)
	return appendPadded(append(dst, '-'), day, 2)
}

// appendInstant appends date and time of day; digits and trim are appendClock's.
func appendInstant(dst []byte, micros int64, digits int, trim bool) []byte {
	days := floorDiv(micros, microsPerDay)
	return appendClock(append(appendDate(dst, days), 'T'), micros-days*microsPerDay, digits, trim)
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

// powers of ten, by exponent.
var powers = [...]int64{1, 10, 100, 1000, 10_000, 100_000}

func appendPadded(dst []byte, v int64, width int) []byte {
	for power := powers[width-1]; power > 1 && v < power; power /= 10 {
		dst = append(dst, '0')
	}
	return strconv.AppendInt(dst, v, 10)
}
