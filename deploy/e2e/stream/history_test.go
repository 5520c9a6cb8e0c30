package stream

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/segmentio/kafka-go"

	"freshet/ingest/change"
)

// rowOnTopic is how the oracle names a row that is not as it should be.
var rowOnTopic = regexp.MustCompile(`^(public\.\w+) (\{.*?\}) is `)

// histories tells, for the rows that failures name, all that lies on the topics of them: the run can't be had again, since
// the seed does not order what the servers do.
func (tp *topics) histories(ctx context.Context, failures []string) string {
	var b strings.Builder
	seen := map[string]bool{}
	for _, failure := range failures {
		m := rowOnTopic.FindStringSubmatch(failure)
		if m == nil || seen[m[1]+m[2]] || len(seen) == 3 {
			continue
		}
		seen[m[1]+m[2]] = true
		fmt.Fprintf(&b, "%s %s:\n", m[1], m[2])
		for _, table := range tp.tables {
			if table.Name != m[1] {
				continue
			}
			for id := range table.Partitions {
				if err := tp.history(ctx, &b, table.Topic, id, m[2]); err != nil {
					fmt.Fprintf(&b, "  %v\n", err)
				}
			}
		}
	}
	return b.String()
}

// history reads a partition from its beginning and writes down the records of a key, and those without one.
func (tp *topics) history(ctx context.Context, b *strings.Builder, topic string, id int, key string) error {
	again := &topics{client: tp.client, prefix: tp.prefix, next: map[string][]int64{}}
	return again.read(ctx, topic, id, func(r *kafka.Record, k, value []byte) error {
		if k != nil && string(k) != key {
			return nil
		}
		var said []string
		for _, h := range r.Headers {
			if slices.Contains([]string{change.HeaderCommitLSN, change.HeaderTxIndex, change.HeaderUnchanged}, h.Key) || strings.HasSuffix(h.Key, "key") {
				said = append(said, h.Key+"="+string(h.Value))
			}
		}
		fmt.Fprintf(b, "  %s/%d@%d %s %.2000s\n", topic, id, r.Offset, strings.Join(said, " "), value)
		return nil
	})
}
