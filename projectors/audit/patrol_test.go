package audit

import (
	"context"
	"errors"
	"log/slog"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

// TestPatrolCountsWhatStaysWrong: a difference that is gone at the next look is a change that was committed meanwhile; a
// store that can't be audited keeps what was known of it and does not stop the round.
func TestPatrolCountsWhatStaysWrong(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	calls := map[int64]int{}
	wrong := func(keys ...string) Report {
		r := Result{Kind: Offer}
		for _, key := range keys {
			r.Different = append(r.Different, Difference{Key: key})
		}
		return Report{r}
	}
	rounds := 0
	told := map[int64]int{}
	p, err := NewPatrol(PatrolConfig{
		Budget: 1, Log: slog.New(slog.DiscardHandler),
		Tell: func(_ context.Context, store int64, wrong map[Kind][]Difference) error {
			told[store] = len(wrong[Offer])
			return nil
		},
		Stores: func(context.Context) ([]int64, error) {
			if rounds++; rounds == 3 {
				cancel()
			}
			return []int64{1, 2, 3}, nil
		},
		Slices: func(_ context.Context, store int64) ([]Scope, error) {
			return []Scope{{Store: store, Next: 5}, {Store: store, First: 5}}, nil
		},
		Look: func(_ context.Context, slice Scope) (Report, error) {
			store := slice.Store
			if slice.First != 0 {
				if store == 3 {
					return wrong("3:5"), nil
				}
				return wrong(), nil
			}
			calls[store]++
			switch {
			case store == 1 && calls[store]%Looks == 1:
				return wrong("1:1", "1:2"), nil
			case store == 1:
				return wrong("1:2", "1:3"), nil
			case store == 2 && calls[store] > Looks:
				return nil, errors.New("Postgres is away")
			case store == 2:
				return wrong("2:1"), nil
			}
			return wrong(), nil
		},
	}, prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Run(ctx); err != nil {
		t.Fatal(err)
	}
	if got := testutil.ToFloat64(p.documents.WithLabelValues("offer")); got != 3 {
		t.Errorf("%v documents have drifted, want 1:2, 2:1 and 3:5 of the second slice", got)
	}
	if told[1] != 1 || told[2] != 1 || told[3] != 1 {
		t.Errorf("told %v, want what stays wrong", told)
	}
	if got := testutil.ToFloat64(p.failures); got != 1 {
		t.Errorf("%v failures, want that of store 2 in the second round", got)
	}
	if calls[3] < 2 {
		t.Errorf("store 3 was looked at %d times: the failure of store 2 stopped the round", calls[3])
	}
	if _, err := NewPatrol(PatrolConfig{Budget: 0}, prometheus.NewRegistry()); err == nil {
		t.Error("a patrol without a budget was made")
	}
}

// TestSettle: what a shop that is written to shows once is not wrong, what stays the same is, and what is right is looked at once.
func TestSettle(t *testing.T) {
	difference := func(key string, got float64) Difference { return Difference{key, "price", 5.0, got} }
	for _, test := range []struct {
		name                  string
		looks                 [][]Difference
		wrong, passing, asked int
	}{
		{"right", [][]Difference{{}}, 0, 0, 1},
		{"quiet", [][]Difference{{difference("1:2", 4), difference("1:3", 4)}, {difference("1:2", 4), difference("1:3", 4)}, {difference("1:2", 4), difference("1:3", 4)}}, 2, 0, 3},
		{"written to", [][]Difference{{difference("1:2", 4)}, {difference("1:3", 4)}}, 0, 1, 2},
		{"one wrong among many that are written to", [][]Difference{
			{difference("1:1", 1), difference("1:2", 4), difference("1:9", 1)}, {difference("1:1", 2), difference("1:2", 4), difference("1:4", 1)}, {difference("1:1", 3), difference("1:2", 4)},
		}, 1, 2, 3},
		{"wrong at two looks only", [][]Difference{{difference("1:2", 4)}, {difference("1:2", 4)}, {}}, 0, 1, 3},
	} {
		asked := 0
		report, passing, err := Settle(func(still func(Report) Report, last bool) (Report, error) {
			asked++
			if last != (asked == Looks) {
				t.Errorf("%s: look %d, the last %t", test.name, asked, last)
			}
			return still(Report{{Kind: Offer, Expected: 9, Different: test.looks[asked-1]}}), nil
		})
		if err != nil || report.Wrong() != test.wrong || passing != test.passing || asked != test.asked || report.Expected() != 9 {
			t.Errorf("%s: %d wrong, %d passing after %d looks, %v", test.name, report.Wrong(), passing, asked, err)
		}
	}
	failure := errors.New("Postgres is away")
	if _, _, err := Settle(func(func(Report) Report, bool) (Report, error) { return nil, failure }); !errors.Is(err, failure) {
		t.Errorf("%v", err)
	}
}

// TestWhatIsWrongInTheSameWay: of a document that is changed all the time two looks see different states.
func TestWhatIsWrongInTheSameWay(t *testing.T) {
	for _, test := range []struct {
		name       string
		before, is Difference
		want       bool
	}{
		{"the same", Difference{"1:2", "price", 5.0, 4.0}, Difference{"1:2", "price", 5.0, 4.0}, true},
		{"of another document", Difference{"1:2", "price", 5.0, 4.0}, Difference{"1:3", "price", 5.0, 4.0}, false},
		{"at another place", Difference{"1:2", "price", 5.0, 4.0}, Difference{"1:2", "stock", 5.0, 4.0}, false},
		{"it should be another", Difference{"1:2", "price", 5.0, 4.0}, Difference{"1:2", "price", 6.0, 4.0}, false},
		{"it is another", Difference{"1:2", "price", 5.0, 4.0}, Difference{"1:2", "price", 5.0, 3.0}, false},
		{"a field that is not there", Difference{"1:2", "list", 5.0, nil}, Difference{"1:2", "list", 6.0, nil}, false},
		{"missing", Difference{Key: "1:2", Want: map[string]any{"a": 1.0}}, Difference{Key: "1:2", Want: map[string]any{"a": 2.0}}, true},
		{"missing, then there", Difference{Key: "1:2", Want: map[string]any{"a": 1.0}}, Difference{"1:2", "a", 2.0, 1.0}, false},
		{"too many", Difference{Key: "1:2", Got: map[string]any{"a": 1.0}}, Difference{Key: "1:2", Got: map[string]any{"a": 2.0}}, true},
		{"missing, then too many", Difference{Key: "1:2", Want: map[string]any{"a": 1.0}}, Difference{Key: "1:2", Got: map[string]any{"a": 2.0}}, false},
	} {
		before := map[Kind][]Difference{Offer: {test.before}}
		report := Report{{Kind: Offer, Different: []Difference{test.is}}}
		if got := len(Again(before, report)[Offer]) == 1; got != test.want {
			t.Errorf("%s: %t, want %t", test.name, got, test.want)
		}
	}
}

func TestPlanOfCommands(t *testing.T) {
	p := newParts()
	p.product(2, 7)
	p.product(2, 5)
	p.node(2, 1)
	p.whole[1] = true
	p.product(1, 9)
	for i := range int64(maxParts + 1) {
		p.product(3, i+1)
	}
	var got []string
	for _, c := range p.commands() {
		got = append(got, c.Kind)
	}
	want := []string{"rebuild", "product", "product", "node", "rebuild"}
	if len(got) != len(want) {
		t.Fatalf("commands %v, want %v", got, want)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("commands %v, want %v", got, want)
		}
	}
}

func TestNumbersOfKeys(t *testing.T) {
	for key, want := range map[string]struct {
		kind Kind
		ids  []int64
	}{"12": {Product, []int64{12}}, "3:12": {Offer, []int64{3, 12}}, "3:4:it": {Node, []int64{3, 4}}, "3:it": {Home, []int64{3}}, "it/3:12": {Search, []int64{3, 12}}} {
		got, err := numbers(want.kind, key)
		if err != nil || len(got) != len(want.ids) || got[0] != want.ids[0] || got[len(got)-1] != want.ids[len(want.ids)-1] {
			t.Errorf("%s %q: %v, %v", want.kind, key, got, err)
		}
	}
	for _, key := range []string{"", "x", "1", "1:"} {
		if got, err := numbers(Offer, key); err == nil {
			t.Errorf("%q was read as %v", key, got)
		}
	}
}
