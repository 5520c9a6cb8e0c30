package change

import (
	"regexp"
	"strconv"
	"strings"
)

// The forms of a column's default as the catalog prints it that Debezium understands: a literal, with or without a cast, and
// a call, in whose place it writes an empty value.
var (
	quotedDefault = regexp.MustCompile(`^B?'((?:[^']|'')*)'(?:::[^']+)?$`)
	bareDefault   = regexp.MustCompile(`^(-?[0-9.]+|true|false)$`)
	calledDefault = regexp.MustCompile(`^\(?[A-Za-z0-9_."]+\(|^(?i:current_date|current_time|current_timestamp|localtime|localtimestamp)\b`)
)

// generatedDefaults are the texts written for the types whose default is a call. Other types have no default in Debezium's
// eyes.
var generatedDefaults = map[string]string{
	"bit": "0", "varbit": "0", "bool": "f", "bpchar": "", "varchar": "", "text": "", "numeric": "0", "float4": "0", "float8": "0",
	"int2": "0", "int4": "0", "int8": "0", "json": "{}", "jsonb": "{}", "xml": "", "uuid": "00000000-0000-0000-0000-000000000000",
	"date": "1970-01-01", "time": "00:00:00", "timestamp": "1970-01-01 00:00:00", "timestamptz": "1970-01-01 00:00:00+00", "interval": "PT0S",
}

// Default returns a column's default as JSON, read from its expression as pg_get_expr prints it in a session with ingest's
// settings; "" where the expression is no literal of a type that Debezium reads defaults of.
func (t *Type) Default(expression string) string {
	generated, known := generatedDefaults[t.name]
	if (!known && !t.enum) || t.schema.Kind == "struct" { // KAFKA-12694: no defaults of structs
		return ""
	}
	text := ""
	if m := quotedDefault.FindStringSubmatch(expression); m != nil {
		text = strings.ReplaceAll(m[1], "''", "'")
	} else if bareDefault.MatchString(expression) {
		text = expression
		if t.name == "bool" {
			text = expression[:1]
		}
	} else if known && calledDefault.MatchString(expression) {
		text = generated
	} else {
		return ""
	}
	if scale := t.scale; scale > 0 && t.name == "numeric" {
		text = padded(text, scale)
	}
	out, err := t.appendValue(nil, []byte(text))
	if err != nil {
		return ""
	}
	return string(out)
}

// padded writes a decimal text with so many fraction digits, as Postgres prints a value of the column.
func padded(text string, scale int) string {
	whole, fraction, _ := strings.Cut(text, ".")
	if _, err := strconv.ParseInt(whole, 10, 64); err != nil || len(fraction) >= scale {
		return text
	}
	return whole + "." + fraction + strings.Repeat("0", scale-len(fraction))
}
