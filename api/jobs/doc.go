// Package jobs serves the routes of asynchronous jobs: submission, lists, events, and
// results.
package jobs
