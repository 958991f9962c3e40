package audioldm

import "math"

// generator is PyTorch's CPU generator, MT19937, so that seeds are compatible with
// diffusers. See Matsumoto and Nishimura, "Mersenne Twister" (1998). Not safe for
// concurrent use.
type generator struct {
	state [624]uint32
	next  int
}

// newGenerator returns a generator with the given seed, of which it uses the low 32
// bits, like PyTorch.
func newGenerator(seed uint64) *generator {
	g := &generator{next: 624}
	g.state[0] = uint32(seed)
	for i := 1; i < len(g.state); i++ {
		g.state[i] = 1812433253*(g.state[i-1]^g.state[i-1]>>30) + uint32(i)
	}
	return g
}

func (g *generator) uint32() uint32 {
	if g.next == len(g.state) {
		g.twist()
	}
	y := g.state[g.next]
	g.next++
	y ^= y >> 11
	y ^= y << 7 & 0x9d2c5680
	y ^= y << 15 & 0xefc60000
	return y ^ y>>18
}

func (g *generator) twist() {
	const n, m = 624, 397
	for i := range g.state {
		y := g.state[i]&0x80000000 | g.state[(i+1)%n]&0x7fffffff
		g.state[i] = g.state[(i+m)%n] ^ y>>1 ^ y&1*0x9908b0df
	}
	g.next = 0
}

// uniform returns a number in [0, 1) of 24 bits.
func (g *generator) uniform() float32 { return float32(g.uint32()&0xffffff) / (1 << 24) }

// leastNormal is the smallest size for which PyTorch uses the vectorised method below;
// a sound is much larger.
const leastNormal = 16

// normal fills values, at least leastNormal of them, with standard normal numbers like
// torch.randn: uniform numbers first, then Box-Muller over blocks of sixteen. A
// remainder is drawn again together with the values before it that complete the block.
func (g *generator) normal(values []float32) {
	for i := range values {
		values[i] = g.uniform()
	}
	n := len(values)
	for i := 0; i+leastNormal <= n; i += leastNormal {
		boxMuller(values[i : i+leastNormal])
	}
	if n%leastNormal != 0 && n > leastNormal {
		rest := values[n-leastNormal:]
		for i := range rest {
			rest[i] = g.uniform()
		}
		boxMuller(rest)
	}
}

func boxMuller(block []float32) {
	for j := range leastNormal / 2 {
		u1, u2 := float64(1-block[j]), float64(block[j+8])
		radius := math.Sqrt(-2 * math.Log(u1))
		angle := 2 * math.Pi * u2
		block[j], block[j+8] = float32(radius*math.Cos(angle)), float32(radius*math.Sin(angle))
	}
}
