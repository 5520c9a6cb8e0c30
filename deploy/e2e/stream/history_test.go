package stream

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/segmentio/kafka-go"

	"freshet/ingest/change"
)

// rowOnTopic is how the oracle names a row that is not as it should be, and cameAgain how the validator names a record
// that is not what it was before.
var (
	rowOnTopic = regexp.MustCompile(`(?:^|: proof\.)(public\.\w+) (\{.*?\}) is `)
	cameAgain  = regexp.MustCompile(`^(\S+)/(\d+)@(\d+): .* differs from offset (\d+)`)
)

// histories tells, for the rows that failures name, all that lies on the topics of them: the run can't be had again, since
// the seed does not order what the servers do.
func (tp *topics) histories(ctx context.Context, failures []string) string {
	var b strings.Builder
	seen := map[string]bool{}
	for _, failure := range failures {
		if m := cameAgain.FindStringSubmatch(failure); m != nil {
			id, _ := strconv.Atoi(m[2]) // digits
			err := tp.dump(ctx, &b, m[1], id, func(r *kafka.Record, _ []byte) bool {
				return slices.Contains(m[3:], strconv.FormatInt(r.Offset, 10))
			})
			if err != nil {
				fmt.Fprintf(&b, "  %v\n", err)
			}
			continue
		}
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
				err := tp.dump(ctx, &b, table.Topic, id, func(_ *kafka.Record, key []byte) bool { return key == nil || string(key) == m[2] })
				if err != nil {
					fmt.Fprintf(&b, "  %v\n", err)
				}
			}
		}
	}
	return b.String()
}

// dump reads a partition from its beginning and writes down the records that are wanted.
func (tp *topics) dump(ctx context.Context, b *strings.Builder, topic string, id int, wanted func(r *kafka.Record, key []byte) bool) error {
	again := &topics{client: tp.client, prefix: tp.prefix, next: map[string][]int64{}}
	return again.read(ctx, topic, id, func(r *kafka.Record, k, value []byte) error {
		if !wanted(r, k) {
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
