package hardening

import (
	"time"

	"github.com/grym-synth/grym-synth/services"
)

// holdRetryAfter is the time after which a client is asked to try again a model that an
// operator holds. Nobody knows when the operator will reset it.
const holdRetryAfter = 30 * time.Second

// Hold refuses every task until Reset is called, whatever the state of the breaker
// becomes meanwhile. Running tasks continue, and canaries pass. The reason is for
// clients and may be empty.
func (g *Guard) Hold(reason string) {
	hold := services.Hold{Reason: reason, Since: time.Now()}
	g.mu.Lock()
	g.hold = &hold
	g.mu.Unlock()
	g.metrics.held(g.of, true, g.State())
	g.of.logger(g.log).Warn("an operator has opened the circuit breaker", "reason", reason)
}

// Held returns the hold of an operator and whether there is one.
func (g *Guard) Held() (services.Hold, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.hold == nil {
		return services.Hold{}, false
	}
	return *g.hold, true
}

// release ends the hold, if there is one.
func (g *Guard) release() {
	g.mu.Lock()
	held := g.hold != nil
	g.hold = nil
	g.mu.Unlock()
	if held {
		g.metrics.held(g.of, false, g.State())
		g.of.logger(g.log).Info("an operator has released the circuit breaker")
	}
}

// heldRefusal returns the fault for a call of a model that is held.
func (g *Guard) heldRefusal(hold services.Hold) error {
	return &services.Fault{
		Kind: services.KindUnavailable, Message: heldText(g.of.String(), hold), RetryAfter: holdRetryAfter,
	}
}

// heldText returns why a service or model that is held runs no tasks.
func heldText(name string, hold services.Hold) string {
	text := name + " was taken out of service by an operator"
	if hold.Reason != "" {
		text += ": " + hold.Reason
	}
	return text
}

// Health returns the health of the model, from the outcomes of its tasks.
func (g *Guard) Health() services.Health { return g.health.view() }

// recovered closes the breaker of a model that was loaded again and whose canaries have
// succeeded. again reports whether the attempts before were as many as recovery has in a row.
func (g *Guard) recovered(cause string, again bool) {
	g.shut()
	g.health.recovered(cause, again)
	g.notify()
}

// restarted closes the breaker of a model that an operator has restarted.
func (g *Guard) restarted() {
	g.shut()
	g.health.forget("a restart by an operator")
	g.notify()
}

// shut closes the breaker and forgets the failures that it has counted.
func (g *Guard) shut() {
	g.breaker.circuit.Close()
	g.breaker.rate.Close()
}

// refusing reports whether the breaker or an operator refuses calls now.
func (g *Guard) refusing() bool {
	_, refusing := g.Open()
	return refusing
}
