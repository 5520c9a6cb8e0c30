package projectors

import (
	"slices"
	"sort"

	"github.com/segmentio/kafka-go"
)

// copartitioned assigns partition i of all topics to one member: a worker folds one product's rows of every table, and a
// topic of one partition belongs to whoever has partition 0. kafka-go's range balancer divides topic by topic, so that of
// two members one would get partition 0 of the large topics and the other the topics of one partition.
type copartitioned struct{}

// ProtocolName keeps members with another idea of the assignment out of the group.
func (copartitioned) ProtocolName() string { return "freshet-copartitioned" }

// UserData is not needed: the assignment follows from members and partitions alone.
func (copartitioned) UserData() ([]byte, error) { return nil, nil }

// AssignGroups gives each member a range of partition numbers. Members that do not know all the topics, as while a new
// version with one more is rolled out, stand back for those that do.
func (copartitioned) AssignGroups(members []kafka.GroupMember, partitions []kafka.Partition) kafka.GroupMemberAssignments {
	topics := make(map[string]bool)
	for _, m := range members {
		for _, topic := range m.Topics {
			topics[topic] = true
		}
	}
	assignments := make(kafka.GroupMemberAssignments, len(members))
	var able []string
	for _, m := range members {
		assignments[m.ID] = make(map[string][]int)
		if knowsAll(m, topics) {
			able = append(able, m.ID)
		}
	}
	// When topics were renamed nobody knows all of them: the group idles until the old members have left, since two
	// owners of one partition number would be worse.
	if len(able) == 0 {
		return assignments
	}
	sort.Strings(able)
	count := 0
	for _, p := range partitions {
		count = max(count, p.ID+1)
	}
	for _, p := range partitions {
		if topics[p.Topic] {
			owner := assignments[able[p.ID*len(able)/count]]
			owner[p.Topic] = append(owner[p.Topic], p.ID)
		}
	}
	return assignments
}

func knowsAll(m kafka.GroupMember, topics map[string]bool) bool {
	for topic := range topics {
		if !slices.Contains(m.Topics, topic) {
			return false
		}
	}
	return true
}
