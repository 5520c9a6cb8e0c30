package audit

import (
	"fmt"
	"math"
	"slices"
)

// tolerance is how far two floats may be apart: popularity is a sum of floats that SQL and the fold add up in different
// orders, and both sides round it to four digits.
const tolerance = 2e-4

// anyOf is the only member of what stands where the tables allow several values: which one is right depends on how they
// came to be so.
const anyOf = "any_of"

// diff finds the first place where two canonical values differ.
func diff(want, got any, path string) (where string, w, g any, same bool) {
	switch x := want.(type) {
	case map[string]any:
		if list, ok := x[anyOf].([]any); ok {
			return path, want, got, slices.Contains(list, got)
		}
		y, ok := got.(map[string]any)
		if !ok {
			return path, want, got, false
		}
		return diffMap(x, y, path)
	case []any:
		y, ok := got.([]any)
		if !ok || len(x) != len(y) {
			return path, want, got, false
		}
		for i := range x {
			if where, w, g, same = diff(x[i], y[i], fmt.Sprintf("%s[%d]", path, i)); !same {
				return where, w, g, false
			}
		}
		return "", nil, nil, true
	case float64:
		y, ok := got.(float64)
		return path, want, got, ok && (x == y || math.Abs(x-y) <= tolerance)
	}
	return path, want, got, want == got
}

func diffMap(want, got map[string]any, path string) (where string, w, g any, same bool) {
	for _, k := range sortedKeys(want) {
		y, ok := got[k]
		if !ok {
			return path + "." + k, want[k], "absent", false
		}
		if where, w, g, same = diff(want[k], y, path+"."+k); !same {
			return where, w, g, false
		}
	}
	for _, k := range sortedKeys(got) {
		if _, ok := want[k]; !ok {
			return path + "." + k, "absent", got[k], false
		}
	}
	return "", nil, nil, true
}
