package offer

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"pgregory.net/rapid"

	"freshet/deploy/stack/stacktest"
	"freshet/ingest/change"
	"freshet/projectors/document"
)

// second is a moment of the tests' short day.
func second(n int) time.Time { return time.Unix(1_800_000_000+int64(n), 0).UTC() }

// dated is an event of a price with dates; 0 for none.
func dated(commit, at int, sku string, list, from, to int) change.Event {
	bound := func(n int) string {
		if n == 0 {
			return "null"
		}
		return `"` + second(n).Format("2006-01-02T15:04:05.000000Z") + `"`
	}
	return change.Event{
		Position: change.Position{Commit: change.LSN(commit), Index: 1}, Op: change.Update, Table: "public.prices", CommitTime: second(at),
		After: fmt.Appendf(nil, `{"store_id":3,"product_id":9,"sku":%q,"amount":%d,"list_amount":%d,"valid_from":%s,"valid_to":%s}`,
			sku, commit, list, bound(from), bound(to)),
	}
}

// step folds an event, or lets the clock strike, which may die before it has noted that it did.
type step struct {
	event change.Event
	tick  int // its second, 0 for an event
	dies  bool
}

func (s step) apply(t *rapid.T, o *Offer) {
	if s.tick == 0 {
		if _, err := Fold(o, s.event); err != nil {
			t.Fatal(err)
		}
		return
	}
	if o.Edge == 0 || o.Edge > second(s.tick).UnixMicro() {
		return
	}
	o.pass(second(s.tick))
	if !s.dies {
		_, o.Edge = o.bounds(o.AsOf().UnixMicro())
	}
}

// TestAnyOrderOfEventsAndTicksMakesTheSameDocument lets the clock strike between events that come in any order and again,
// commit times that go back among them. After a last strike the document and its prices must be those of the rows.
func TestAnyOrderOfEventsAndTicksMakesTheSameDocument(t *testing.T) {
	const end = 60
	rapid.Check(t, func(t *rapid.T) {
		var steps []step
		at := 1
		for commit := range rapid.IntRange(1, 8).Draw(t, "events") {
			at = max(1, at+rapid.IntRange(-2, 8).Draw(t, "at"))
			from := rapid.IntRange(0, 50).Draw(t, "from")
			to := 0
			if rapid.Bool().Draw(t, "ends") {
				to = from + rapid.IntRange(1, 30).Draw(t, "to")
			}
			steps = append(steps, step{event: dated(commit+1, min(at, end), rapid.SampledFrom([]string{"A", "B"}).Draw(t, "sku"), rapid.IntRange(0, 1).Draw(t, "list")*99, from, to)})
		}
		want := &Offer{}
		for _, s := range steps {
			s.apply(t, want)
		}
		step{tick: end}.apply(t, want)
		for _, p := range want.Prices {
			amount, list, sold := p.At(want.AsOf())
			if a, l, s := p.At(second(end)); a != amount || l != list || s != sold {
				t.Fatalf("the document shows %d %d %t of %s, at the end it is %d %d %t", amount, list, sold, p.SKU, a, l, s)
			}
		}
		mixed := append(slices.Clone(steps), rapid.SliceOfN(rapid.SampledFrom(steps), 0, 4).Draw(t, "again")...)
		for range rapid.IntRange(0, 6).Draw(t, "ticks") {
			mixed = append(mixed, step{tick: rapid.IntRange(1, end).Draw(t, "tick"), dies: rapid.Bool().Draw(t, "dies")})
		}
		got := &Offer{}
		for _, s := range append(rapid.Permutation(mixed).Draw(t, "order"), step{tick: end}) {
			s.apply(t, got)
		}
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("in order  %+v\nshuffled  %+v", want, got)
		}
	})
}

func TestAt(t *testing.T) {
	for name, c := range map[string]struct {
		price        Price
		amount, list int64
		sold         bool
	}{
		"no dates":           {Price{Amount: 7, ListAmount: 9}, 7, 9, true},
		"holds":              {Price{Amount: 7, ListAmount: 9, ValidFrom: "2026-05-01T00:00:00Z", ValidTo: "2026-05-02T00:00:00Z"}, 7, 9, true},
		"from this instant":  {Price{Amount: 7, ListAmount: 9, ValidFrom: "2026-05-01T12:00:00Z"}, 7, 9, true},
		"to come":            {Price{Amount: 7, ListAmount: 9, ValidFrom: "2026-05-01T12:00:00.000001Z"}, 9, 0, true},
		"over at this":       {Price{Amount: 7, ListAmount: 9, ValidTo: "2026-05-01T12:00:00Z"}, 9, 0, true},
		"over, no list":      {Price{Amount: 7, ValidTo: "2026-05-01T00:00:00Z"}, 7, 0, false},
		"from infinity":      {Price{Amount: 7, ListAmount: 9, ValidFrom: "+292278994-08-16T23:00:00Z"}, 9, 0, true},
		"to infinity":        {Price{Amount: 7, ListAmount: 9, ValidTo: "+292278994-08-16T23:00:00Z"}, 7, 9, true},
		"since ever":         {Price{Amount: 7, ValidFrom: "-292275055-05-16T23:00:00Z"}, 7, 0, true},
		"a bound of no time": {Price{Amount: 7, ValidFrom: "soon"}, 7, 0, true},
	} {
		amount, list, sold := c.price.At(time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC))
		if amount != c.amount || list != c.list || sold != c.sold {
			t.Errorf("%s: %d %d %t", name, amount, list, sold)
		}
	}
}

// board is a publisher that fails as often as told, and keeps what was published last of each offer.
type board struct {
	failures int
	shown    map[string]Offer
}

var errDown = errors.New("the broker is down")

func (b *board) Offers(_ context.Context, stored map[string]*Offer, _ map[string]bool) error {
	if b.failures > 0 {
		b.failures--
		return errDown
	}
	for id, o := range stored {
		b.shown[id] = *o
	}
	return nil
}

// TestTimekeeper lets the clock strike on a real server: what is due is stored and published, once, and a strike that died
// before it published is made up for.
func TestTimekeeper(t *testing.T) {
	uri, name := stacktest.Mongo(t)
	client, err := mongo.Connect(options.Client().ApplyURI(uri))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Disconnect(context.Background()) })
	db := client.Database(name)
	if err := EnsureIndexes(t.Context(), db); err != nil {
		t.Fatal(err)
	}
	out := &board{shown: map[string]Offer{}}
	k := NewTimekeeper(db, document.Config{}, out)
	now := second(5)
	k.now = func() time.Time { return now }
	id := ID(3, 9)
	fold := func(ev change.Event) {
		t.Helper()
		if _, err := k.offers.Update(t.Context(), []string{id}, func(_ string, o *Offer) bool {
			changed, err := Fold(o, ev)
			if err != nil {
				t.Error(err)
			}
			return changed
		}); err != nil {
			t.Fatal(err)
		}
	}
	strike := func(at, found int, wantErr error) {
		t.Helper()
		now = second(at)
		if n, err := k.strike(t.Context()); n != found || !errors.Is(err, wantErr) {
			t.Fatalf("at %d the clock found %d, %v; want %d, %v", at, n, err, found, wantErr)
		}
	}
	shows := func(want int64) {
		t.Helper()
		o := out.shown[id]
		if amount, _, _ := o.Prices[0].At(o.AsOf()); amount != want {
			t.Errorf("shown is %d, want %d", amount, want)
		}
	}
	fold(dated(1, 5, "A", 99, 10, 20))
	strike(9, 0, nil)
	strike(10, 1, nil)
	shows(1)
	strike(11, 0, nil)
	out.failures = 1
	strike(20, 0, errDown) // died after it stored and before it published
	strike(21, 1, nil)
	shows(99)
	strike(22, 0, nil)

	fold(dated(2, 23, "A", 99, 30, 40))
	strike(45, 1, nil) // both bounds were slept through
	shows(99)
	strike(46, 0, nil)
	if rev := out.shown[id].Rev; rev != 5 {
		t.Errorf("two changes and three strikes made revision %d", rev)
	}
}

// TestTheNoteIsRefusedAfterAChange has a price changed between the strike's publishing and its note: the bounds of the new
// price must stay due.
func TestTheNoteIsRefusedAfterAChange(t *testing.T) {
	uri, name := stacktest.Mongo(t)
	client, err := mongo.Connect(options.Client().ApplyURI(uri))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Disconnect(context.Background()) })
	offers := Open(client.Database(name), document.Config{})
	id := ID(3, 9)
	change := func(ev change.Event) *Offer {
		t.Helper()
		docs, err := offers.Update(t.Context(), []string{id}, func(_ string, o *Offer) bool { changed, _ := Fold(o, ev); return changed })
		if err != nil {
			t.Fatal(err)
		}
		return docs[id]
	}
	published := change(dated(1, 5, "A", 99, 10, 0))
	change(dated(2, 6, "A", 99, 11, 0))
	if err := offers.Note(t.Context(), "edge", []document.Note[string]{{ID: id, Rev: published.Rev, Value: 0}}); err != nil {
		t.Fatal(err)
	}
	due, err := offers.UpTo(t.Context(), "edge", second(11).UnixMicro(), 10)
	if err != nil || !slices.Equal(due, []string{id}) {
		t.Errorf("due are %v, %v", due, err)
	}
}
