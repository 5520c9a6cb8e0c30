package change

import (
	"fmt"
	"math"
	"strconv"
)

// asTime chooses the form of the time types.
func (t *Type) asTime(f *Format) bool {
	switch t.name {
	case "date":
		t.date(f.Time)
	case "time":
		t.timeOfDay(f.Time)
	case "timestamp":
		t.timestamp(f.Time)
	case "timetz":
		t.write, t.zero, t.schema = writeTimeTZ, `"00:00:00Z"`, semantic("string", "io.debezium.time.ZonedTime")
	case "timestamptz":
		t.write, t.zero, t.schema = writeTimestampTZ, `"1970-01-01T00:00:00Z"`, semantic("string", "io.debezium.time.ZonedTimestamp")
	case "interval":
		t.write, t.schema = writeInterval, semantic("int64", "io.debezium.time.MicroDuration")
		if f.Interval == "string" {
			t.write, t.zero, t.schema = writeIntervalText, `"P0Y0M0DT0H0M0S"`, semantic("string", "io.debezium.time.Interval")
		}
	default:
		return false
	}
	return true
}

func (t *Type) date(mode string) {
	t.write, t.schema = writeDate, semantic("int32", "io.debezium.time.Date")
	switch mode {
	case "connect":
		t.schema.Name = "org.apache.kafka.connect.data.Date"
	case "isostring":
		t.write, t.zero, t.schema = writeDateText, `"1970-01-01Z"`, semantic("string", "io.debezium.time.IsoDate")
	}
}

func (t *Type) timeOfDay(mode string) {
	t.write, t.schema = writeTimeMicros, semantic("int64", "io.debezium.time.MicroTime")
	switch {
	case mode == "connect":
		t.write, t.schema = writeTimeMillis, semantic("int32", "org.apache.kafka.connect.data.Time")
	case mode == "adaptive" && t.precision <= 3:
		t.write, t.schema = writeTimeMillis, semantic("int32", "io.debezium.time.Time")
	case mode == "nanoseconds":
		t.write, t.schema.Name = writeTimeNanos, "io.debezium.time.NanoTime"
	case mode == "isostring":
		t.write, t.zero, t.schema = writeTimeText, `"00:00:00Z"`, semantic("string", "io.debezium.time.IsoTime")
	}
}

func (t *Type) timestamp(mode string) {
	t.write, t.schema = writeTimestampMicros, semantic("int64", "io.debezium.time.MicroTimestamp")
	switch {
	case mode == "connect":
		t.write, t.schema.Name = writeTimestampMillis, "org.apache.kafka.connect.data.Timestamp"
	case (mode == "adaptive" || mode == "adaptive_time_microseconds") && t.precision <= 3:
		t.write, t.schema.Name = writeTimestampMillis, "io.debezium.time.Timestamp"
	case mode == "nanoseconds":
		t.write, t.schema.Name = writeTimestampNanos, "io.debezium.time.NanoTimestamp"
	case mode == "isostring":
		t.write, t.zero, t.schema = writeTimestampText, `"1970-01-01T00:00:00Z"`, semantic("string", "io.debezium.time.IsoTimestamp")
	}
}

// The milliseconds that the JDBC driver takes for the infinities, and the instants as Debezium prints them.
const (
	infiniteMillis, minusInfiniteMillis   = 9223372036825200000, -9223372036832400000
	infiniteInstant, minusInfiniteInstant = "+292278994-08-16T23:00:00Z", "-292275055-05-16T23:00:00Z"
	infiniteDay, minusInfiniteDay         = "+292278994-08-16Z", "-292275055-05-16Z"
)

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

func limit[V int64 | string](sign int, high, low V) V {
	if sign > 0 {
		return high
	}
	return low
}

func parseDate(text []byte) (days int64, err error) {
	var c clock
	s := scanner{text}
	if !s.date(&c) || len(s.rest) > 0 {
		return 0, fmt.Errorf("date %q", text)
	}
	return c.days, nil
}

func writeDate(_ *Type, dst, text []byte) ([]byte, error) {
	if sign := infinite(text); sign != 0 {
		return strconv.AppendInt(dst, limit[int64](sign, math.MaxInt32, math.MinInt32), 10), nil
	}
	days, err := parseDate(text)
	if err != nil {
		return dst, err
	}
	return strconv.AppendInt(dst, days, 10), nil
}

func writeDateText(_ *Type, dst, text []byte) ([]byte, error) {
	if sign := infinite(text); sign != 0 {
		return append(append(append(dst, '"'), limit(sign, infiniteDay, minusInfiniteDay)...), '"'), nil
	}
	days, err := parseDate(text)
	if err != nil {
		return dst, err
	}
	return append(appendDate(append(dst, '"'), days), 'Z', '"'), nil
}

func parseTime(text []byte) (micros int64, err error) {
	var c clock
	s := scanner{text}
	if !s.timeOfDay(&c) || len(s.rest) > 0 {
		return 0, fmt.Errorf("time %q", text)
	}
	return c.micros, nil
}

func writeTimeMicros(_ *Type, dst, text []byte) ([]byte, error) {
	micros, err := parseTime(text)
	if err != nil {
		return dst, err
	}
	return strconv.AppendInt(dst, micros, 10), nil
}

func writeTimeMillis(_ *Type, dst, text []byte) ([]byte, error) {
	micros, err := parseTime(text)
	if err != nil {
		return dst, err
	}
	return strconv.AppendInt(dst, micros/1000, 10), nil
}

func writeTimeNanos(_ *Type, dst, text []byte) ([]byte, error) {
	micros, err := parseTime(text)
	if err != nil {
		return dst, err
	}
	return strconv.AppendInt(dst, micros*1000, 10), nil
}

// writeTimeText knows no 24:00:00: Debezium's form is a Java time, where that is midnight.
func writeTimeText(_ *Type, dst, text []byte) ([]byte, error) {
	micros, err := parseTime(text)
	if err != nil {
		return dst, err
	}
	return append(appendClock(append(dst, '"'), micros%microsPerDay, 6, true), 'Z', '"'), nil
}

func writeTimestampMicros(_ *Type, dst, text []byte) ([]byte, error) {
	if sign := infinite(text); sign != 0 {
		return strconv.AppendInt(dst, limit[int64](sign, math.MaxInt64, math.MinInt64), 10), nil
	}
	micros, err := parseTimestamp(text, false)
	if err != nil {
		return dst, err
	}
	return strconv.AppendInt(dst, micros, 10), nil
}

func writeTimestampMillis(_ *Type, dst, text []byte) ([]byte, error) {
	if sign := infinite(text); sign != 0 {
		return strconv.AppendInt(dst, limit[int64](sign, infiniteMillis, minusInfiniteMillis), 10), nil
	}
	micros, err := parseTimestamp(text, false)
	if err != nil {
		return dst, err
	}
	return strconv.AppendInt(dst, floorDiv(micros, 1000), 10), nil
}

// writeTimestampNanos writes null for what 64 bits of nanoseconds don't hold, as Debezium does.
func writeTimestampNanos(_ *Type, dst, text []byte) ([]byte, error) {
	if sign := infinite(text); sign != 0 {
		return strconv.AppendInt(dst, limit[int64](sign, math.MaxInt64, math.MinInt64), 10), nil
	}
	micros, err := parseTimestamp(text, false)
	if err != nil {
		return dst, err
	}
	if micros > math.MaxInt64/1000 || micros < math.MinInt64/1000 {
		return append(dst, "null"...), nil
	}
	return strconv.AppendInt(dst, micros*1000, 10), nil
}

func writeTimestampText(_ *Type, dst, text []byte) ([]byte, error) {
	if sign := infinite(text); sign != 0 {
		return append(append(append(dst, '"'), limit(sign, infiniteInstant, minusInfiniteInstant)...), '"'), nil
	}
	micros, err := parseTimestamp(text, false)
	if err != nil {
		return dst, err
	}
	return append(appendInstant(append(dst, '"'), micros, 6, true), 'Z', '"'), nil
}

func writeTimestampTZ(t *Type, dst, text []byte) ([]byte, error) {
	if infinite(text) != 0 {
		return AppendString(dst, text), nil
	}
	micros, err := parseTimestamp(text, true)
	if err != nil {
		return dst, err
	}
	return append(appendInstant(append(dst, '"'), micros, t.precision, false), 'Z', '"'), nil
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
