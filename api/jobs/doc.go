// Package jobs serves the routes of asynchronous jobs and of their batches: submission,
// lists, events, and results.
package jobs
