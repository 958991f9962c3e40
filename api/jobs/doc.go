// Package jobs serves the routes of asynchronous jobs: their submission, their lists, what
// happens to them, and their results.
package jobs
