package tree

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"freshet/ingest/failpoint"
)

// seqBits is the low part of a version that counts the writes under one epoch; the rest is the epoch.
const seqBits = 40

// The hashes that no page has.
const (
	noPage  int64 = 0  // of a tombstone
	unknown int64 = -1 // of a document whose write has begun and not been answered
)

// key names a part of a page of a store; category 0 is the home page.
type key struct {
	category int64
	lang     string
	part     int // from 1
}

// at is the key of another part of the page; part 0 stands for the page as a whole.
func (k key) at(part int) key { return key{k.category, k.lang, part} }

func (k key) id(store int64) string {
	if k.category == 0 {
		return PartID(HomeID(store, k.lang), k.part)
	}
	return PartID(NodeID(store, k.category, k.lang), k.part)
}

// parseKey is the inverse of id.
func parseKey(id string) (key, error) {
	page, number, several := strings.Cut(id, "#")
	part := 1
	if several {
		var err error
		if part, err = strconv.Atoi(number); err != nil || part < 2 {
			return key{}, fmt.Errorf("page id %q: %q is no part behind the first", id, number)
		}
	}
	words := strings.Split(page, ":")
	switch len(words) {
	case 2:
		return key{0, words[1], part}, nil
	case 3:
		category, err := strconv.ParseInt(words[1], 10, 64)
		if err != nil {
			return key{}, fmt.Errorf("page id %q: %w", id, err)
		}
		return key{category, words[2], part}, nil
	}
	return key{}, fmt.Errorf("page id %q: want <store>:<lang> or <store>:<category>:<lang>", id)
}

// state is a loaded store: its assortment, and what is stored of it.
type state struct {
	*Assortment
	epoch  int64         // ours, as taken from the fence at load
	seq    int64         // of the last version given
	stored map[key]int64 // content hash of every document there is
	parts  map[key]int   // how many documents there may be of a page that was ever in several parts, by the page
	swept  bool          // no document is stored that the plan has no page for
	used   int64         // the handler's clock at last use
}

// write is a document to store if its version is the higher one.
type write struct {
	of  *state
	key key
	doc sheet
}

// changes lists the pages that are to be built and whose content is not what is stored (all pages when all is set), and the
// stored ones that should be no more. They stay noted until done: that is for when they are durable.
func (s *state) changes(all bool) (writes []write, dropped int, err error) {
	if all {
		s.replan(s.plan)
	}
	s.settle()
	add := func(k key, p page, limit int) error {
		sheets, left, err := sealed(p, limit)
		if err != nil {
			return err
		}
		dropped += left
		writes = append(writes, s.renewed(k, sheets, all)...)
		return nil
	}
	for i, lang := range s.plan.langs {
		if s.home {
			if err := add(key{0, lang, 0}, s.homePage(i), HomeCap); err != nil {
				return nil, 0, err
			}
		}
		for id := range s.changed {
			if err := add(key{id, lang, 0}, s.node(s.plan.places[id], i), NodeCap); err != nil {
				return nil, 0, err
			}
		}
	}
	return append(writes, s.tombstones()...), dropped, nil
}

// renewed lists the parts of a page that are not what is stored, all when all is set, and those behind its last that should
// be no more. The last come first: what a part calls its next is there before it.
func (s *state) renewed(page key, sheets []sheet, all bool) (writes []write) {
	for i, doc := range slices.Backward(sheets) {
		k := page.at(i + 1)
		if s.stored[k] == doc.Hash && !all {
			continue
		}
		if failpoint.OneIn("drop-page-N") {
			s.stored[k] = doc.Hash
			continue
		}
		doc.Ver, doc.Source = s.next(), s.source
		writes = append(writes, write{s, k, doc})
	}
	for part := len(sheets) + 1; part <= s.parts[page] && !failpoint.Enabled("forget-tombstone"); part++ {
		if hash, known := s.stored[page.at(part)]; !known || hash != noPage {
			writes = append(writes, write{s, page.at(part), tombstone(s.plan.store, page.at(part), s.next())})
		}
	}
	s.reach(page.at(len(sheets)))
	return writes
}

// reach notes that a part may be stored.
func (s *state) reach(k key) {
	if page := k.at(0); k.part > max(1, s.parts[page]) {
		if s.parts == nil {
			s.parts = map[key]int{}
		}
		s.parts[page] = k.part
	}
}

// tombstones lists the stored documents that the plan has no page for: of a closed store, a hidden category, a language
// given up.
func (s *state) tombstones() (writes []write) {
	if s.swept || failpoint.Enabled("forget-tombstone") {
		return nil
	}
	langs := make(map[string]bool, len(s.plan.langs))
	for _, lang := range s.plan.langs {
		langs[lang] = true
	}
	for k, hash := range s.stored {
		if hash == noPage || (langs[k.lang] && (k.category == 0 || s.plan.places[k.category] != nil)) {
			continue
		}
		writes = append(writes, write{s, k, tombstone(s.plan.store, k, s.next())})
	}
	return writes
}

// tombstone is the document of a page that is no more.
func tombstone(store int64, k key, ver int64) sheet {
	return sheet{ID: k.id(store), Ver: ver, Hash: noPage, Deleted: true, Store: store, Category: k.category, Lang: k.lang, Part: k.part}
}

// next gives the next version, above all that were given under this epoch and before it.
func (s *state) next() int64 {
	s.seq++
	return s.epoch<<seqBits | s.seq
}

// Given returns how many versions a store's pages were given between two of them, if one loading of the store gave both.
func Given(from, to int64) (n int64, ok bool) {
	return to - from, to>>seqBits == from>>seqBits && to >= from
}

// replan takes other dimensions, or the same to have every page compared again.
func (s *state) replan(p *plan) {
	s.Assortment.replan(p)
	s.swept = false
}

// done notes that everything changes listed is stored.
func (s *state) done() {
	s.clean()
	s.swept = true
}
