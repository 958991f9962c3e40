// Package hardening keeps one failing service from becoming everybody's
// failure: a Guard of policies round every call of a service, the health view
// behind the probes, and the metrics of the road a task takes. It knows
// operations and their errors, not audio, queues or HTTP.
package hardening
