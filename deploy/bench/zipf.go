package bench

import "math/rand/v2"

// zipf picks places 0 to n-1 as visitors do: the first by far the most often, and yet all of them now and then.
type zipf struct{ z *rand.Zipf }

// zipfSkew is a little above 1, as measured on the pages of most sites.
const zipfSkew = 1.1

func newZipf(r *rand.Rand, n int) zipf {
	return zipf{rand.NewZipf(r, zipfSkew, 1, uint64(max(n, 1)-1))}
}

func (z zipf) pick() int { return int(z.z.Uint64()) }

// newRand returns a generator that gives the same in every run, so that two runs ask for the same.
func newRand(stream uint64) *rand.Rand { return rand.New(rand.NewPCG(1, stream)) }
