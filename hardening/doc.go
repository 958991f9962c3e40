// Package hardening isolates the failure of one service or model: a Guard of policies
// round every call, the Recovery that brings back what failed, the Monitor of health,
// the health view behind the probes, and the metrics of tasks. It knows operations and
// their errors, not audio, queues or HTTP.
package hardening
