// Package webhook tells receivers that clients name of the end of their jobs: it
// signs the message and posts it, and connects to no address that a client must
// not reach through the server. It knows URLs and bytes, not jobs.
package webhook
