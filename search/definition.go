package search

import (
	"encoding/json"
	"fmt"
	"maps"
)

// object is a JSON object that we build.
type object = map[string]any

// NumericSlots is how many numeric attributes the index has room for; attribute_defs hands the slots out.
const NumericSlots = 250

// maxKeyword is the longest keyword attribute value that is indexed, in bytes.
const maxKeyword = 256

// definition returns the settings and mappings of the index. All languages are in one document, since a price that moves
// would have to be written in each else (docs/adr/0041-one-document-for-all-languages.md); their words have fields of their
// own, so that each is analysed in its way and the frequencies of one language's words don't mix with another's.
func definition(shards int) object {
	return object{
		"settings": object{
			"number_of_shards":     shards,
			"auto_expand_replicas": "0-1",
			// Who writes refreshes, when it has written: the server's own refreshes would only make more and smaller
			// segments, and every one of them is merged again.
			"refresh_interval": "-1",
			// An index that is refreshed several times a second has many small segments, and one whose prices move has
			// many replaced documents in its large ones. With the defaults each document was merged five times over;
			// searching some more segments costs less than that.
			"merge": object{
				"policy":    object{"segments_per_tier": 16, "max_merge_at_once": 16, "floor_segment": "100kb", "deletes_pct_allowed": 50},
				"scheduler": object{"max_thread_count": 1},
			},
			"analysis": analysis(),
		},
		"mappings": mappings(definitionDigest()),
	}
}

// definitionDigest names the definition whatever the number of shards.
func definitionDigest() string {
	b, err := json.Marshal(object{"analysis": analysis(), "mappings": mappings("")})
	if err != nil {
		panic(fmt.Sprintf("the index definition is not JSON: %v", err)) // it is made of literals
	}
	return digest(b)
}

// maxPair is the longest pair of a code and a value.
const maxPair = maxKeyword + 65

// mappings is strict: an attribute never adds a field. The values of keyword and boolean attributes are pairs with their
// codes, numeric ones live in slots that the registry hands out. The pairs that facets count have a field of their own, so
// that one aggregation counts them all. Elasticsearch's flattened field would keep them apart by code, and looks the bounds
// of each code up in each segment for each search: a page of 16 facets spent most of its time on that.
func mappings(definition string) object {
	keyword, long := object{"type": "keyword"}, object{"type": "long"}
	double, boolean := object{"type": "double"}, object{"type": "boolean"}
	// What is only looked up needs no column.
	lookup := object{"type": "keyword", "doc_values": false, "ignore_above": maxKeyword}
	// What is only sorted and ranked by needs no tree of points: each costs every refresh some of its time.
	column := func(kind string) object { return object{"type": kind, "index": false} }
	return object{
		"dynamic": "strict",
		// A write without routing would put a second copy of a document on another shard.
		"_routing": object{"required": true},
		"_meta":    object{"definition": definition},
		"properties": object{
			"store":   keyword,
			"product": column("long"),
			"deleted": boolean,
			// Titles and brands are analysed twice: stemmed for meaning, and folded for the very words.
			"title":       byLanguage(object{"fields": object{"exact": object{"type": "text", "analyzer": "exact"}}}),
			"description": byLanguage(object{"index_options": "freqs", "norms": false}),
			"refs":        lookup,
			"measures":    lookup,
			"brand":       keyword,
			"brand_name":  byLanguage(object{"norms": false, "fields": object{"exact": object{"type": "text", "analyzer": "exact", "norms": false}}}),
			"categories":  keyword,
			"facets":      object{"type": "keyword", "ignore_above": maxPair},
			"filters":     object{"type": "keyword", "doc_values": false, "ignore_above": maxPair},
			"numbers":     object{"dynamic": "strict", "properties": slots(double)},
			"price":       long,
			"in_stock":    boolean,
			"available":   column("long"),
			"popularity":  column("double"),
			"boost":       column("double"),
			"rank":        column("double"),
			"created":     column("date"),
			"card":        object{"type": "object", "enabled": false},
			"names":       object{"type": "object", "enabled": false},
			"source":      object{"type": "object", "enabled": false},
		},
	}
}

// byLanguage is a field of text for each language below one name, like "title.it".
func byLanguage(settings object) object {
	properties := make(object)
	for _, lang := range Languages() {
		field := object{"type": "text", "analyzer": indexedAs(lang), "search_analyzer": searchedAs(lang)}
		maps.Copy(field, settings)
		properties[lang] = field
	}
	return object{"dynamic": "strict", "properties": properties}
}

func slots(field object) object {
	properties := make(object, NumericSlots)
	for i := range NumericSlots {
		properties[slot(int64(i))] = field
	}
	return properties
}

// slot returns the name of a numeric slot's field below "numbers".
func slot(n int64) string { return fmt.Sprintf("n%d", n) }
