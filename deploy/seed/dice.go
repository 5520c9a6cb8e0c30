package seed

import "math/bits"

// dice is a splitmix64 generator. Every thing of the shop has dice of its own, made from the seed, what it is and its
// ids: it can be made again whenever it is needed, without keeping it, and the same on every machine and Go release.
type dice struct{ state uint64 }

// What dice are for: two uses never share a sequence.
const (
	forProduct uint64 = iota + 1
	forSeller
	forOffer
	forRank
	forOrder
	forCustomer
	forReview
	forStock
)

func (s *shop) dice(use uint64, a, b int64) dice {
	d := dice{s.cfg.Seed}
	for _, v := range [3]uint64{use, uint64(a), uint64(b)} {
		d.state = d.next() ^ v
	}
	d.next()
	return d
}

func (d *dice) next() uint64 {
	d.state += 0x9e3779b97f4a7c15
	z := d.state
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb
	return z ^ (z >> 31)
}

// n returns a number in [0, limit).
func (d *dice) n(limit int64) int64 {
	high, _ := bits.Mul64(d.next(), uint64(limit))
	return int64(high)
}

// between returns a number in [low, high].
func (d *dice) between(low, high int64) int64 { return low + d.n(high-low+1) }

// chance is true in percent of the throws.
func (d *dice) chance(percent int64) bool { return d.n(100) < percent }

func pick[T any](d *dice, from []T) T { return from[d.n(int64(len(from)))] }
