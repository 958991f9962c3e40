package resources

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services"
)

// guess is the Retry-After of a refused task, and how long the same task waited once it was
// let in beyond the limit.
type guess struct{ said, was time.Duration }

// near reports whether it was right by a factor of two, in whole seconds as the header has it.
func (g guess) near() bool {
	said, was := math.Ceil(g.said.Seconds()), max(math.Ceil(g.was.Seconds()), 1)
	return said <= 2*was && was <= 2*said
}

// guesses lets chores come at random, more than there is room for, and admits one refused task
// at a time beyond the limit to see when it starts.
func guesses(t *testing.T, runs int, perSecond float64, next func(*rand.Rand) chore) (list []guess) {
	t.Helper()
	const places = 40
	s := newStage(slots(runs, func(c *Config) { c.QueueLimit = places }))
	cfg := s.manager.cfg
	ctx, stop := context.WithCancel(t.Context())
	var tasks sync.WaitGroup
	defer tasks.Wait()
	defer stop()
	r := rand.New(rand.NewPCG(11, uint64(runs)))
	refused := make(chan trace, 1000)
	probes := make(chan guess, 1)
	probing := false
	began := time.Now()
	for len(list) < 100 && time.Since(began) < 24*time.Hour {
		time.Sleep(time.Duration(r.ExpFloat64() / perSecond * float64(time.Second)))
		c := next(r)
		tasks.Go(func() {
			if one := s.run(ctx, c); one.err != nil && ctx.Err() == nil {
				refused <- one
			}
		})
		synctest.Wait()
		select {
		case g := <-probes:
			list, probing = append(list, g), false
		default:
		}
		select {
		case one := <-refused:
			var fault *services.Fault
			require.True(t, errors.As(one.err, &fault))
			if probing || time.Since(began) < 10*time.Minute {
				continue
			}
			probing = true
			wider := cfg
			wider.QueueLimit = 10 * places
			s.manager.Tune(wider, s.manager.Budget())
			tasks.Go(func() {
				if probe := s.run(ctx, one.chore); probe.err == nil {
					probes <- guess{fault.RetryAfter, probe.waited()}
				}
			})
			synctest.Wait()
			s.manager.Tune(cfg, s.manager.Budget())
		default:
		}
	}
	return list
}

// mixed is a task of a random length, now and then a long one with windows.
func mixed(r *rand.Rand, claim services.Claim) chore {
	if r.IntN(10) == 0 {
		return chore{Claim: claim, work: time.Duration(5+r.IntN(40)) * time.Second, grain: time.Second}
	}
	return chore{Claim: claim, work: time.Duration((0.1 + r.ExpFloat64()) * float64(time.Second))}
}

// TestRetryAfterIsNearTheTruth compares Retry-After with the time after which the
// task would have started, had there been a place for it.
func TestRetryAfterIsNearTheTruth(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		runs      int
		perSecond float64
		next      func(*rand.Rand) chore
	}{
		"clips of one length": {1, 2, func(*rand.Rand) chore { return chore{Claim: of("", 0), work: time.Second} }},
		"clips of all lengths": {2, 4, func(r *rand.Rand) chore {
			return chore{Claim: of("", 0), work: time.Duration(r.ExpFloat64() * float64(time.Second))}
		}},
		"long ones with windows": {2, 2, func(r *rand.Rand) chore { return mixed(r, of("", 0)) }},
		"priorities":             {2, 2, func(r *rand.Rand) chore { return mixed(r, of("", services.Priority(r.IntN(3)-1))) }},
		"tenants": {2, 3, func(r *rand.Rand) chore {
			tenant := []string{"a", "a", "a", "a", "b", "b", "c"}[r.IntN(7)]
			one := mixed(r, of(tenant, 0))
			if tenant == "b" {
				one.work /= 10
			}
			return one
		}},
		"models": {2, 3, func(r *rand.Rand) chore {
			if time.Now().Minute()/20 == 0 {
				return chore{Claim: services.Claim{Service: "echo", Model: "slow"}, work: time.Duration(3000+r.IntN(4000)) * time.Millisecond}
			}
			return chore{Claim: services.Claim{Service: "echo", Model: "fast"}, work: time.Duration(300+r.IntN(1000)) * time.Millisecond}
		}},
		"memory for one": {4, 2, func(r *rand.Rand) chore {
			one := mixed(r, of("", 0))
			one.Bytes = 60 * mb
			return one
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				list := guesses(t, c.runs, c.perSecond, c.next)
				require.GreaterOrEqual(t, len(list), 100)
				near := 0
				for _, g := range list {
					if g.near() {
						near++
					}
				}
				t.Logf("%s: %d of %d right by a factor of two", name, near, len(list))
				require.GreaterOrEqual(t, near*100, 80*len(list), "%v", list)
			})
		})
	}
}
