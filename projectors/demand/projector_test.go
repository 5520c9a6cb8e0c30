package demand_test

import (
	"fmt"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/mongo"

	"freshet/deploy/stack/stacktest"
	"freshet/projectors"
	"freshet/projectors/demand"
	"freshet/projectors/document"
)

func database(t *testing.T) *mongo.Database {
	t.Helper()
	db := stacktest.MongoDatabase(t)
	if err := demand.EnsureIndexes(t.Context(), db); err != nil {
		t.Fatal(err)
	}
	return db
}

// log collects events as they lie on the topic.
type log struct {
	t       *testing.T
	records []projectors.Record
}

func (l *log) add(times int, e demand.Event) {
	l.t.Helper()
	for range times {
		key, value, err := e.Encode()
		if err != nil {
			l.t.Fatal(err)
		}
		l.records = append(l.records, projectors.Record{Topic: "test.searches", Offset: int64(len(l.records)), Key: key, Value: value})
	}
}

// TestWhatIsPopular: what enough people search for lately and find is popular, what finds nothing is on the list of that,
// and what nobody searches for any more is forgotten.
func TestWhatIsPopular(t *testing.T) {
	now := time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)
	searched := func(text string, at time.Time, total int64) demand.Event {
		return demand.Event{Kind: demand.Search, At: at, Store: 3, Lang: "it", Text: text, Total: total}
	}
	l := &log{t: t}
	l.add(6, searched("scarpe", now, 20))
	l.add(3, demand.Event{Kind: demand.Click, At: now, Store: 3, Lang: "it", Text: "scarpe", Product: 9})
	l.add(9, searched("stivali", now, 4))
	l.add(4, searched("sciarpe", now, 7))
	l.add(8, searched("zzz", now, 0))
	l.add(40, searched("costumi", now.Add(-4*demand.HalfLife), 5))
	l.add(1, searched("slitte", now.Add(-5*demand.HalfLife), 5))
	misspelt := searched("scarrpe", now, 20)
	misspelt.Fuzzy = true
	l.add(9, misspelt)
	other := searched("shoes", now, 3)
	other.Lang = "en"
	l.add(9, other)

	db := database(t)
	p, store := demand.NewProjector(db, document.Config{}), demand.NewStore(db, document.Config{})
	for _, part := range [][]projectors.Record{l.records[:20], l.records[10:50], l.records, l.records[:30]} { // repeated, as after a crash
		if err := p.Handle(t.Context(), part); err != nil {
			t.Fatal(err)
		}
	}
	popular, err := store.Popular(t.Context(), 3, "it", now)
	if err != nil || fmt.Sprint(popular) != "[stivali scarpe]" {
		t.Errorf("popular: %v, %v", popular, err)
	}
	lately, err := store.Lately(t.Context(), 3, "it", false, 3)
	if err != nil || len(lately) != 3 || lately[2].Text() != "zzz" || lately[0].Searches != 9 {
		t.Errorf("lately: %+v, %v", lately, err)
	}
	nothing, err := store.Lately(t.Context(), 3, "it", true, 10)
	if err != nil || len(nothing) != 1 || nothing[0].Text() != "zzz" || nothing[0].Nothing != 8 {
		t.Errorf("nothing: %+v, %v", nothing, err)
	}
	if err := store.Forget(t.Context(), now); err != nil {
		t.Fatal(err)
	}
	left := map[string]int64{}
	all, err := store.Lately(t.Context(), 3, "it", false, 100)
	for _, q := range all {
		left[q.Text()] = q.Searches
		if q.Text() == "scarpe" && (q.Clicks != 3 || !q.Last.Equal(now)) {
			t.Errorf("%+v", q)
		}
	}
	if err != nil || fmt.Sprint(left) != "map[costumi:40 scarpe:6 scarrpe:9 sciarpe:4 stivali:9 zzz:8]" {
		t.Errorf("left: %v, %v", left, err)
	}
	if err := demand.ForgetBeyond(store, t.Context(), now, 2); err != nil {
		t.Fatal(err)
	}
	all, err = store.Lately(t.Context(), 3, "it", false, 100)
	if err != nil || len(all) != 2 || all[0].Searches != 9 || all[1].Searches != 9 {
		t.Errorf("the two most searched for: %+v, %v", all, err)
	}
	if all, err = store.Lately(t.Context(), 3, "en", false, 100); err != nil || len(all) != 1 {
		t.Errorf("another language: %+v, %v", all, err)
	}
}

// TestARecordThatIsNoEvent is parked, and counts nothing.
func TestARecordThatIsNoEvent(t *testing.T) {
	p := demand.NewProjector(database(t), document.Config{})
	err := p.Handle(t.Context(), []projectors.Record{{Topic: "test.searches", Value: []byte("{")}})
	if poison, ok := projectors.AsPoison(err); !ok || len(poison.Records) != 1 {
		t.Error(err)
	}
}
