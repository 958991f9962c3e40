package onnx

import (
	"context"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services"
)

// measured is a lease with a gauge.
type measured struct{ gauge services.Gauge }

func (measured) Yield(ctx context.Context) error    { return ctx.Err() }
func (measured) Slot() (since time.Time, held bool) { return time.Time{}, true }
func (measured) Release()                           {}
func (measured) Succeeded()                         {}
func (m measured) Gauge() services.Gauge            { return m.gauge }
func gauged(t *testing.T) (context.Context, services.Gauge) {
	t.Helper()
	gauge := engine.NewGauge()
	require.NotNil(t, gauge, "the embedded library takes allocators of others")
	return services.WithLease(t.Context(), measured{gauge}), gauge
}

// peakOf runs a session once and returns the peak of the run.
func peakOf(t *testing.T, s *Session, seconds float64) services.Bytes {
	t.Helper()
	ctx, gauge := gauged(t)
	outputs, err := s.Run(ctx, samples(t, seconds))
	require.NoError(t, err)
	outputs["logits"].Close()
	return gauge.Peak()
}

// TestTheMemoryOfARunIsMeasured compares runs of different lengths, before and after a
// longer one, whose memory stays in the pool.
func TestTheMemoryOfARunIsMeasured(t *testing.T) {
	t.Parallel()
	s := open(t)
	peakOf(t, s, 2)
	short, long := peakOf(t, s, 2), peakOf(t, s, 12)
	require.Greater(t, short, 500*services.KiB)
	require.Greater(t, long, 4*short)
	require.Equal(t, short, peakOf(t, s, 2), "the long one does not spoil it")
	use := s.pool.Use()
	require.GreaterOrEqual(t, use.Mapped, use.Peak)
	require.Less(t, use.Mapped, use.Peak+use.Peak/2, "little is lost between blocks")
	require.Less(t, use.Used, use.Peak/2, "the memory of runs is free again")
}

// TestRunsAtOnceAreMeasuredApart has short and long runs of one session at once.
func TestRunsAtOnceAreMeasuredApart(t *testing.T) {
	t.Parallel()
	s := open(t)
	for range 2 {
		peakOf(t, s, 1)
		peakOf(t, s, 12)
	}
	short, long := peakOf(t, s, 1), peakOf(t, s, 12)
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			if i%2 == 0 {
				assert.Equal(t, short, peakOf(t, s, 1))
			} else {
				assert.Equal(t, long, peakOf(t, s, 12))
			}
		})
	}
	all.Wait()
}

func TestSessionsOfOneModelShareAPool(t *testing.T) {
	t.Parallel()
	pool := NewPool()
	var sessions []*Session
	for range 2 {
		s, err := engine.OpenSession(Graph{Name: "tiny", Path: modelPath}, speech, SessionConfig{Threads: 1, Pool: pool})
		require.NoError(t, err)
		sessions = append(sessions, s)
	}
	_, err := engine.OpenSession(Graph{Name: "none", Path: modelPath + "x"}, speech, SessionConfig{Pool: pool})
	require.Error(t, err)
	pool.Close()
	for range 2 { // the second run of a shape allocates it at once
		peakOf(t, sessions[0], 10)
	}
	mapped := pool.Use().Mapped
	require.Positive(t, mapped)
	peakOf(t, sessions[1], 10)
	require.Less(t, pool.Use().Mapped, mapped+mapped/4, "it runs in the memory of the first")
	require.NoError(t, sessions[0].Close())
	peakOf(t, sessions[1], 1)
	require.NoError(t, sessions[1].Close())
	require.Zero(t, pool.Use())
}

// TestBlocksDoNotOverlap allocates and frees at random from several goroutines, and
// checks what each block holds.
func TestBlocksDoNotOverlap(t *testing.T) {
	t.Parallel()
	pool := NewPool()
	gauge := engine.NewGauge()
	var all sync.WaitGroup
	for worker := range 4 {
		all.Go(func() {
			random := rand.New(rand.NewPCG(uint64(worker), 7))
			var blocks [][]byte
			check := func(i int) {
				block, want := blocks[i], byte(len(blocks[i]))
				assert.Equal(t, want, block[0])
				assert.Equal(t, want, block[len(block)-1])
				freeBlock(block)
				blocks[i] = blocks[len(blocks)-1]
				blocks = blocks[:len(blocks)-1]
			}
			for range 4000 {
				if len(blocks) > 40 || len(blocks) > 0 && random.IntN(2) == 0 {
					check(random.IntN(len(blocks)))
					continue
				}
				size := 1 << random.IntN(19)
				block := pool.block(gauge, 1+random.IntN(size))
				assert.NotNil(t, block)
				assert.Zero(t, uintptr(unsafe.Pointer(&block[0]))%64, "aligned for vectors")
				block[len(block)-1] = byte(len(block))
				block[0] = byte(len(block))
				blocks = append(blocks, block)
			}
			for len(blocks) > 0 {
				check(0)
			}
		})
	}
	all.Wait()
	use := pool.Use()
	require.Zero(t, use.Used)
	require.Positive(t, gauge.Peak())
	require.GreaterOrEqual(t, use.Mapped, use.Peak)
	require.Less(t, use.Mapped, 3*use.Peak)
	last := pool.block(nil, 3<<20)
	pool.Close()
	last[0] = 1 // it outlives the pool
	freeBlock(last)
}

// TestFreedMemoryIsUsedAgain allocates what fits into what was freed, and then more than
// that.
func TestFreedMemoryIsUsedAgain(t *testing.T) {
	t.Parallel()
	pool := NewPool()
	defer pool.Close()
	const mb = 1 << 20
	parts := [][]byte{pool.block(nil, 4*mb), pool.block(nil, 3*mb), pool.block(nil, 2*mb)}
	mapped := pool.Use().Mapped
	freeBlock(parts[0])
	one, two := pool.block(nil, mb), pool.block(nil, 2*mb)
	require.Equal(t, mapped, pool.Use().Mapped, "both are in the first")
	freeBlock(two)
	freeBlock(one)
	freeBlock(nil)
	freeBlock(pool.block(nil, 4*mb))
	require.Equal(t, mapped, pool.Use().Mapped, "they were joined again")
	large := pool.block(nil, 8*mb)
	require.Less(t, pool.Use().Mapped, mapped+5*mb, "the first was too small, and was returned")
	for _, block := range [][]byte{parts[1], large, parts[2]} {
		freeBlock(block)
	}
	require.Zero(t, pool.Use().Used)
	require.Nil(t, pool.block(nil, 1<<61))
	require.Nil(t, pool.block(nil, 1<<50), "there is not so much")
}

func TestAGaugeCountsWhatIsAddedAndOutlivesItsTask(t *testing.T) {
	t.Parallel()
	pool := NewPool()
	defer pool.Close()
	gauge := engine.NewGauge()
	block := pool.block(gauge, 1<<20)
	ctx := services.WithLease(t.Context(), measured{gauge})
	done := services.Occupy(ctx, 3<<20)
	require.InDelta(t, 4<<20, float64(gauge.Peak()), 256)
	done()
	services.Occupy(ctx, 2<<20)()
	services.Occupy(ctx, -1)()
	services.Occupy(t.Context(), 1)()
	require.InDelta(t, 4<<20, float64(gauge.Peak()), 256, "the most at once")
	gauge, ctx = nil, nil //nolint:ineffassign,wastedassign // let go
	runtime.GC()
	freeBlock(block)
	freeBlock(pool.block(nil, 1<<20))
}
