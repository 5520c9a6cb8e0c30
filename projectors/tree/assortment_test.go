package tree

import (
	"encoding/json"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"freshet/projectors/view"
)

// Everything a card shows, and everything that ranks it, must mark the pages; what no page shows must not.
func TestApplyMarks(t *testing.T) {
	marked := []int64{1, 11}
	for name, tc := range map[string]struct {
		change func(*view.Offer)
		want   []int64
	}{
		"nothing":       {func(*view.Offer) {}, nil},
		"units left":    {func(v *view.Offer) { v.Available-- }, nil},
		"description":   {func(v *view.Offer) { v.Texts[0].Description = "Di grano duro" }, nil},
		"second image":  {func(v *view.Offer) { v.Images = json.RawMessage(`[{"url":"https://img.example/1.jpg"}]`) }, nil},
		"sold out":      {func(v *view.Offer) { v.Available = 0 }, marked},
		"low":           {func(v *view.Offer) { v.Variants[0].LowStock = true }, marked},
		"price":         {func(v *view.Offer) { v.Price++ }, marked},
		"list price":    {func(v *view.Offer) { v.ListPrice = 0 }, marked},
		"popularity":    {func(v *view.Offer) { v.Popularity += 0.001 }, marked},
		"boost":         {func(v *view.Offer) { v.Boost = 1.1 }, marked},
		"first image":   {func(v *view.Offer) { v.Images = json.RawMessage(`[{"url":"https://img.example/9.jpg"}]`) }, marked},
		"no image":      {func(v *view.Offer) { v.Images = nil }, marked},
		"brand":         {func(v *view.Offer) { v.BrandName = "Fornaio" }, marked},
		"reviews":       {func(v *view.Offer) { v.Reviews = view.Reviews{Count: 1, Sum: 5} }, marked},
		"facet":         {func(v *view.Offer) { v.Attributes = json.RawMessage(`{"colour":"rosso"}`) }, marked},
		"no facet":      {func(v *view.Offer) { v.Attributes = json.RawMessage(`{"note":"x","weight":"5","colour":7}`) }, nil},
		"number":        {func(v *view.Offer) { v.Attributes = json.RawMessage(`{"weight":5}`) }, marked},
		"title":         {func(v *view.Offer) { v.Texts[0].Title = "Altro" }, marked},
		"slug":          {func(v *view.Offer) { v.Texts[0].Slug = "altro" }, marked},
		"hidden":        {func(v *view.Offer) { v.Visible = false }, marked},
		"deleted":       {func(v *view.Offer) { v.Visible, v.Deleted = false, true }, marked},
		"moved":         {func(v *view.Offer) { v.Categories[0].ID = 2 }, []int64{1, 2, 11}},
		"also below":    {func(v *view.Offer) { v.Categories = append(v.Categories, view.Category{ID: 111}) }, []int64{1, 11, 111}},
		"unknown place": {func(v *view.Offer) { v.Categories = append(v.Categories, view.Category{ID: 99}) }, marked},
	} {
		t.Run(name, func(t *testing.T) {
			st := newState(newWorld(), 7)
			st.Apply(offering(1, 11))
			st.settle()
			st.done()
			v := offering(1, 11)
			v.Version = 2
			tc.change(v)
			if !st.Apply(v) {
				t.Fatal("a newer view was not taken")
			}
			if got := slices.Sorted(maps.Keys(st.marked)); !slices.Equal(got, tc.want) {
				t.Errorf("marked %v, want %v", got, tc.want)
			}
			st.settle()
			if got := slices.Sorted(maps.Keys(st.changed)); !slices.Equal(got, tc.want) {
				t.Errorf("pages of %v are to be built, want %v", got, tc.want)
			}
			if st.home != (tc.want != nil) {
				t.Errorf("home marked: %v", st.home)
			}
			if got := st.items[1].version; got != 2 {
				t.Errorf("version %d is held, want 2", got)
			}
		})
	}
}

func TestApplyOrder(t *testing.T) {
	st := newState(newWorld(), 7)
	newer, older := offering(1, 11), offering(1, 12)
	newer.Version, older.Version = 3, 2
	st.Apply(newer)
	st.settle()
	st.done()
	if st.Apply(older) {
		t.Error("an older view was taken")
	}
	if len(st.marked) != 0 {
		t.Errorf("an older view marked %v", st.marked)
	}
	if !st.Apply(newer) || !st.marked[11] || !st.marked[1] {
		t.Errorf("an equal view marked %v, want 1 and 11", st.marked)
	}
	gone := &view.Offer{Version: 4, Store: 7, Product: 1, Deleted: true}
	st.Apply(gone)
	st.settle()
	if st.Apply(newer) || st.ranks[1].count != 0 {
		t.Error("a deleted offer came back with an older view")
	}
}

// The estimate must return to where it was: what is added for an offer is taken off with it.
func TestBytesBalance(t *testing.T) {
	st := newState(newWorld(), 7)
	for round := range int64(5) {
		v := offering(1, 11, 2)
		v.Version = 2*round + 1
		st.Apply(v)
		st.Apply(&view.Offer{Version: 2*round + 2, Store: 7, Product: 1, Deleted: true})
		tombstone := st.items[1].size()
		if want := tombstone + stringSize + int64(len("Mulino")) + int64(len(st.ranks))*rankSize; st.bytes != want {
			t.Fatalf("round %d: %d bytes, want %d", round, st.bytes, want)
		}
	}
}

func TestRankKeepsTheBest(t *testing.T) {
	st := newState(newWorld(), 7)
	for product := int64(1); product <= 100; product++ {
		v := offering(product, 11, 111) // in both: counted once
		if product > 95 {
			v.Available = 0
		}
		v.Popularity = float64(product / 10)
		st.Apply(v)
	}
	r := st.show(st.ranks[1])
	if r.count != 100 || len(r.cards) != NodeCards {
		t.Fatalf("%d members and %d cards, want 100 and %d", r.count, len(r.cards), NodeCards)
	}
	var got []int64
	for _, it := range r.cards {
		got = append(got, it.product)
	}
	want := []int64{90, 91, 92, 93, 94, 95, 80, 81, 82, 83, 84, 85, 86, 87, 88, 89, 70, 71, 72, 73, 74, 75, 76, 77}
	if !slices.Equal(got, want) {
		t.Errorf("order %v, want %v", got, want)
	}
}

// A look through members may start again from zero after four billion rounds: those seen long ago must not look seen.
func TestRoundsWrap(t *testing.T) {
	st := newState(newWorld(), 7)
	st.Apply(offering(1, 11))
	st.rescan(st.ranks[11])
	st.round = 1<<32 - 1
	st.rescan(st.ranks[11])
	if n := len(st.ranks[11].best); n != 1 {
		t.Errorf("%d are ranked after the wrap, want 1", n)
	}
}

// A store with many more offers than cards is not looked through for the changes that come all the time.
func TestChangesLookThroughNothing(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 4))
	st := newState(newWorld(), 7)
	views := make([]*view.Offer, 5000)
	for i := range views {
		views[i] = offering(int64(i)+1, 111)
		views[i].Popularity = r.Float64()
		st.Apply(views[i])
	}
	if st.rescans > 0 {
		t.Errorf("%d looks while the store was loaded", st.rescans)
	}
	for i := range 20_000 {
		v := views[r.IntN(len(views))]
		if i%2 == 0 { // one of the best, whose changes come most often
			v = views[int(st.ranks[1].best[r.IntN(len(st.ranks[1].best))].product)-1]
		}
		v.Version++
		switch v.Price++; r.IntN(20) {
		case 0:
			v.Available = 5 - v.Available // sold out, and in again
		case 1:
			v.Popularity += 0.01
		}
		st.Apply(v)
		st.settle()
	}
	// 500 of the best sold out, and half of them came in again.
	if st.rescans > 100 {
		t.Errorf("%d looks for 20,000 changes", st.rescans)
	}
}

// A change of an offer that is among the best of nothing builds no page; one that enters or leaves is counted by the parent.
func TestSettleBuildsWhatShows(t *testing.T) {
	st := newState(newWorld(), 7)
	for product := int64(1); product <= 30; product++ {
		st.Apply(offering(product, 111))
	}
	st.settle()
	st.done()
	expect := func(step string, home bool, want ...int64) {
		t.Helper()
		st.settle()
		if got := slices.Sorted(maps.Keys(st.changed)); !slices.Equal(got, want) || st.home != home {
			t.Errorf("%s: pages of %v are to be built, home %v; want %v and %v", step, got, st.home, want, home)
		}
		st.done()
	}
	change := func(product, version int64, f func(*view.Offer)) {
		v := offering(product, 111)
		v.Version = version
		f(v)
		st.Apply(v)
	}
	change(2, 2, func(v *view.Offer) { v.Price = 1 })
	expect("price of the last but one", false)
	change(15, 2, func(v *view.Offer) { v.Price = 1 })
	expect("price of the sixteenth", false, 1, 11, 111)
	change(30, 2, func(v *view.Offer) { v.Price = 1 })
	expect("price of the first", true, 1, 11, 111)
	change(3, 2, func(v *view.Offer) { v.Categories[0].ID = 11 })
	expect("the third from last moves up to the parent", false, 11, 111)
	change(2, 3, func(v *view.Offer) { v.Visible = false })
	expect("the last but one hides", true, 1, 11, 111)
}

func TestFirstImage(t *testing.T) {
	for raw, want := range map[string]string{
		``: "", `[]`: "", `{}`: "", `null`: "", `[{"alt":"x"}]`: "", `[{"url":"a"},{"url":"b"}]`: "a", `[1]`: "", `nonsense`: "",
	} {
		if got := firstImage(json.RawMessage(raw)); got != want {
			t.Errorf("first image of %q is %q, want %q", raw, got, want)
		}
	}
}
