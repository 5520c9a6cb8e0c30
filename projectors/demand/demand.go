// Package demand counts what shoppers search for: how often, lately, what finds nothing, and how often a hit is clicked.
//
// api/read publishes an Event for each search and each click to change.SearchTopic; the Projector, which cmd/freshet runs,
// folds them into one document per store, language and text; api/read suggests popular texts and api/admin lists all.
// Guarantee: an event that was published counts once, however often it is delivered, for as long as its text is kept. Not every search is published: the
// read API drops events rather than wait.
package demand

import (
	"math"
	"strconv"
	"strings"
	"time"
)

// StageName is the stage that counts. It reads no tables, so it has no position in the log and announces none.
const StageName = "demand"

// HalfLife is the time in which a search loses half of its weight.
const HalfLife = 7 * 24 * time.Hour

// Query is the document searches/{store}:{lang}:{text}.
type Query struct {
	ID       string    `bson:"_id"`
	Rev      int64     `bson:"rev"`
	Front    string    `bson:"front"`  // of the id: store and language
	Offset   int64     `bson:"offset"` // of the last event counted; a store's events are in one partition
	Searches int64     `bson:"searches"`
	Nothing  int64     `bson:"nothing"` // of them, those that found nothing
	Clicks   int64     `bson:"clicks"`
	Total    int64     `bson:"total"` // hits of the last search
	Last     time.Time `bson:"last"`
	// Finds says whether the last search found the text as it is written. What doesn't is not suggested.
	Finds bool `bson:"finds"`
	// Score orders texts by how much they are searched for lately: the logarithm to base two of their weight, plus half-lives
	// since 1970. The passing of time changes nothing in an order by it, so it rewrites no document.
	Score float64 `bson:"score"`
}

// DocumentID is the field stored as _id.
func (q *Query) DocumentID() *string { return &q.ID }

// Revision is the field stored as rev.
func (q *Query) Revision() *int64 { return &q.Rev }

// Text is what was searched for.
func (q *Query) Text() string { return strings.TrimPrefix(q.ID, q.Front) }

// Weight is how many searches of this moment the text's are worth.
func (q *Query) Weight(now time.Time) float64 { return math.Exp2(q.Score - halfLives(now)) }

// front is what the ids of a store's texts in a language begin with.
func front(store int64, lang string) string { return strconv.FormatInt(store, 10) + ":" + lang + ":" }

// halfLives since 1970.
func halfLives(t time.Time) float64 { return float64(t.UnixMicro()) / float64(HalfLife.Microseconds()) }

// fold counts the event at an offset of the store's partition, once. A click on what nobody has searched for is none.
func (q *Query) fold(e *Event, offset int64) bool {
	if q.Rev > 0 && offset <= q.Offset || e.Kind == Click && q.Searches == 0 {
		return false
	}
	q.Front, q.Offset = front(e.Store, e.Lang), offset
	if e.Kind == Click {
		q.Clicks++
		return true
	}
	q.weigh(halfLives(e.At))
	q.Searches++
	if q.Total = e.Total; e.Total == 0 {
		q.Nothing++
	}
	q.Finds = e.Total > 0 && !e.Fuzzy
	if e.At.After(q.Last) {
		q.Last = e.At
	}
	return true
}

// weigh adds a search at a time to the score: log2(2^score + 2^at), without leaving the range of floats.
func (q *Query) weigh(at float64) {
	if q.Searches == 0 {
		q.Score = at
		return
	}
	high, low := max(q.Score, at), min(q.Score, at)
	q.Score = high + math.Log2(1+math.Exp2(low-high))
}
