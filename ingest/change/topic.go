package change

import "strings"

// Topic returns the topic of a table, "<prefix>.<schema>.<table>", with every character Kafka does not allow replaced by
// an underscore, as Debezium does.
func Topic(prefix, schema, table string) string { return safe(prefix + "." + schema + "." + table) }

// ProgressTopic is the topic of Progress records; one partition.
func ProgressTopic(prefix string) string { return safe(prefix + ".progress") }

// PositionTopic is the topic of ingest's own position, which nobody else reads; one partition.
func PositionTopic(prefix string) string { return safe(prefix + ".position") }

// DeadLetterTopic is the topic of parked records; one partition.
func DeadLetterTopic(prefix string) string { return safe(prefix + ".deadletter") }

// MessageTopic is the topic of logical messages (pg_logical_emit_message); one partition.
func MessageTopic(prefix string) string { return safe(prefix + ".message") }

// TransactionTopic is the topic of transactions' beginnings and ends; one partition.
func TransactionTopic(prefix string) string { return safe(prefix + ".transaction") }

// SchemaTopic is the topic of changes to the tables themselves; one partition.
func SchemaTopic(prefix string) string { return safe(prefix + ".schema") }

// CommandTopic is the topic of commands to the projectors, routed by store into as many partitions as OfferViewTopic.
func CommandTopic(prefix string) string { return safe(prefix + ".command") }

// OfferViewTopic is the topic of joined offer views, routed by store.
func OfferViewTopic(prefix string) string { return safe(prefix + ".view.offers") }

// AlertTopic is the topic of alerts to sellers about their stock, routed by seller into as many partitions as OfferViewTopic.
func AlertTopic(prefix string) string { return safe(prefix + ".alerts") }

// SearchTopic is the topic of what was searched for and clicked, routed by store into as many partitions as OfferViewTopic.
func SearchTopic(prefix string) string { return safe(prefix + ".searches") }

// QueueTopic is the topic of orders that were taken while Postgres was away, with addresses: personal data; one partition.
func QueueTopic(prefix string) string { return safe(prefix + ".queued.orders") }

func safe(name string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '.', r == '_', r == '-':
			return r
		}
		return '_'
	}, name)
}

// Partition returns the partition of a routing value among n, with Kafka's murmur2 and Java's rule for the sign, so that
// Java producers and ours put one key in one place. The routing value is the decimal text of the routing column.
func Partition(routing []byte, n int) int { return int(murmur2(routing)&0x7fffffff) % n }

// murmur2 is the hash of Kafka's default partitioner (org.apache.kafka.common.utils.Utils.murmur2), seed 0x9747b28c.
func murmur2(data []byte) uint32 {
	const m, r = 0x5bd1e995, 24
	h := uint32(0x9747b28c) ^ uint32(len(data))
	for ; len(data) >= 4; data = data[4:] {
		k := uint32(data[0]) | uint32(data[1])<<8 | uint32(data[2])<<16 | uint32(data[3])<<24
		k *= m
		k ^= k >> r
		k *= m
		h = h*m ^ k
	}
	switch len(data) {
	case 3:
		h ^= uint32(data[2]) << 16
		fallthrough
	case 2:
		h ^= uint32(data[1]) << 8
		fallthrough
	case 1:
		h ^= uint32(data[0])
		h *= m
	}
	h ^= h >> 13
	h *= m
	h ^= h >> 15
	return h
}
