// Package webhook delivers the end of jobs to receivers that clients name: it signs the
// message and posts it, and connects to no address that a client must not reach through
// the server. It knows URLs and bytes, not jobs.
package webhook
