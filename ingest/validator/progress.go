package validator

import (
	"fmt"

	"freshet/ingest/change"
)

// Progress takes the next record of the progress topic. Stages other than ingest announce other topics and are checked
// for their order alone.
func (v *Validator) Progress(p change.Progress) {
	stage := fmt.Sprintf("%s/%d", p.Stage, p.Partition)
	if last := v.reported[stage]; p.LSN < last {
		v.failures.add("progress of %s goes back from %s to %s", stage, last, p.LSN)
	}
	v.reported[stage] = max(v.reported[stage], p.LSN)
	if p.Stage != "ingest" {
		return
	}
	for topic, ends := range p.Ends {
		for id, end := range ends {
			if end < 0 { // it did not move since the record before
				continue
			}
			part := v.partition(place{topic, id})
			if end < part.announced {
				v.failures.add("progress of %s goes back from offset %d to %d of %s/%d", stage, part.announced, end, topic, id)
			}
			part.announced = end
		}
	}
	for _, part := range v.partitions {
		if part.announced >= 0 {
			part.announce(cut{part.announced, p.LSN}, &v.failures)
		}
	}
}

// Cut is the newest LSN that ingest announced.
func (v *Validator) Cut() change.LSN { return v.reported["ingest/0"] }
