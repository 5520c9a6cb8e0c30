package demand

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"freshet/ingest/change"
)

var noon = time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)

func search(at time.Time, total int64) *Event {
	return &Event{Kind: Search, At: at, Store: 3, Lang: "it", Text: "scarpe", Total: total}
}

func TestNormal(t *testing.T) {
	for text, want := range map[string]string{
		"  Scarpe \t ROSSE ": "scarpe rosse", "Caffe\u0300": "caffè", "": "", " ": "", "anna@example.org scarpe": "", "\xff\x00a\u202e\u200b b": "a b", "\u200b": "",
		"8001234567890 scarpe": "8001234567890 scarpe", "4111 1111 1111 1111": "", "it60x0542811101000000123456": "",
		strings.Repeat("è", 150): strings.Repeat("è", 100), strings.Repeat("a", 199) + " bc": strings.Repeat("a", 199),
	} {
		if got := Normal(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
	rapid.Check(t, func(rt *rapid.T) {
		text := Normal(rapid.String().Draw(rt, "text"))
		if again := Normal(text); again != text || len(text) > MaxText {
			rt.Fatalf("%q becomes %q", text, again)
		}
	})
}

func TestDecode(t *testing.T) {
	e := search(noon, 4)
	key, value, err := e.Encode()
	if got, bad := decode(value); err != nil || bad != nil || got != *e || string(key) != "3" {
		t.Errorf("%s: %+v, %v, %v", key, got, err, bad)
	}
	for _, value := range []string{"", "[]", `{"kind":"search"}`, `{"kind":"look","at":"2026-05-04T12:00:00Z","store":3,"lang":"it","text":"a"}`} {
		if _, err := decode([]byte(value)); !errors.Is(err, change.ErrMalformed) {
			t.Errorf("%q: %v", value, err)
		}
	}
}

// However a log of events is cut into batches and repeated, a text's counts are those of the log, and its weight is the
// sum of what each search has kept.
func TestFold(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		log := rapid.SliceOfN(rapid.Custom(func(rt *rapid.T) *Event {
			e := search(noon.Add(time.Duration(rapid.Int64Range(0, 1000).Draw(rt, "hour"))*time.Hour), rapid.Int64Range(0, 3).Draw(rt, "total"))
			e.Kind = rapid.SampledFrom([]string{Search, Search, Click}).Draw(rt, "kind")
			return e
		}), 1, 40).Draw(rt, "log")
		var got Query
		for done := 0; done < len(log); {
			from := rapid.IntRange(0, done).Draw(rt, "from")
			to := rapid.IntRange(done+1, len(log)).Draw(rt, "to")
			for i := from; i < to; i++ {
				if got.fold(log[i], int64(i)) {
					got.Rev++
				}
			}
			done = to
		}
		var want Query
		now, weight := noon.Add(1000*time.Hour), 0.0
		for _, e := range log {
			switch {
			case e.Kind == Search:
				want.Searches++
				want.Total = e.Total
				weight += math.Exp2(-float64(now.Sub(e.At)) / float64(HalfLife))
				if e.Total == 0 {
					want.Nothing++
				}
			case want.Searches > 0:
				want.Clicks++
			}
		}
		if got.Searches != want.Searches || got.Clicks != want.Clicks || got.Nothing != want.Nothing || got.Total != want.Total {
			rt.Fatalf("%+v, want %+v", got, want)
		}
		if want.Searches > 0 && math.Abs(got.Weight(now)-weight) > 1e-6*weight {
			rt.Fatalf("weighs %v, want %v", got.Weight(now), weight)
		}
	})
}
