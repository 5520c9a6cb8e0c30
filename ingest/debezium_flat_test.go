package ingest_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/big"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// flat is a record as a list of paths with their values, in the order in which they stand on the topic.
type flat struct {
	paths  []string
	values map[string]string
}

func (f *flat) set(path, value string) {
	if f.values == nil {
		f.values = map[string]string{}
	}
	if _, twice := f.values[path]; twice {
		path += "(again)"
	}
	f.paths, f.values[path] = append(f.paths, path), withoutRun(path, value)
}

// add takes a JSON text apart. rename makes what differs from run to run the same.
func (f *flat) add(t *testing.T, path string, text []byte, rename *strings.Replacer) {
	t.Helper()
	if len(text) == 0 {
		text = []byte("null")
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	if err := f.walk(decoder, path, rename); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
}

func (f *flat) walk(d *json.Decoder, path string, rename *strings.Replacer) error {
	token, err := d.Token()
	if err != nil {
		return err
	}
	switch v := token.(type) {
	case json.Delim:
		return f.walkInside(d, v, path, rename)
	case string:
		f.set(path, strconv.Quote(rename.Replace(v)))
	case json.Number:
		rat, ok := new(big.Rat).SetString(v.String())
		if !ok {
			return fmt.Errorf("number %s", v)
		}
		f.set(path, rat.RatString()) // Debezium's texts of floats are Java's
	default:
		f.set(path, fmt.Sprint(v))
	}
	return nil
}

func (f *flat) walkInside(d *json.Decoder, open json.Delim, path string, rename *strings.Replacer) error {
	f.set(path, string(open))
	for i := 0; d.More(); i++ {
		inner := fmt.Sprintf("%s[%d]", path, i)
		if open == '{' {
			name, err := d.Token()
			if err != nil {
				return err
			}
			inner = fmt.Sprintf("%s.%s", path, name)
		}
		if err := f.walk(d, inner, rename); err != nil {
			return err
		}
	}
	_, err := d.Token()
	return err
}

var (
	changing = regexp.MustCompile(`^value(\.payload)?\.(source\.)?(ts_ms|ts_us|ts_ns|txId|lsn)$`)
	version  = regexp.MustCompile(`^value(\.payload)?\.source\.version$|^header\.__debezium\.context\.runId$`)
	sequence = regexp.MustCompile(`^value(\.payload)?\.(source\.sequence|transaction\.id)$`)
	number   = regexp.MustCompile(`\d+`)
)

// withoutRun replaces what differs from run to run by a sign of its form.
func withoutRun(path, value string) string {
	switch {
	case changing.MatchString(path) && value != "null", sequence.MatchString(path):
		return number.ReplaceAllString(value, "#")
	case version.MatchString(path):
		return "#"
	}
	return value
}

// difference is one place where two records differ; an empty value is none at all.
type difference struct {
	scenario, topic, path string
	want, got             string
}

func diff(want, got flat) []difference {
	var out []difference
	for _, path := range want.paths {
		if want.values[path] != got.values[path] {
			out = append(out, difference{path: path, want: want.values[path], got: got.values[path]})
		}
	}
	for _, path := range got.paths {
		if _, both := want.values[path]; !both {
			out = append(out, difference{path: path, got: got.values[path]})
		}
	}
	common := func(paths []string) []string {
		return slices.DeleteFunc(slices.Clone(paths), func(p string) bool { return want.values[p] == "" || got.values[p] == "" })
	}
	if w, g := common(want.paths), common(got.paths); !slices.Equal(w, g) {
		out = append(out, difference{path: "order", want: strings.Join(w, " "), got: strings.Join(g, " ")})
	}
	return out
}
