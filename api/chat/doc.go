// Package chat serves the routes on which sounds are asked about: chat completions, and the
// conversations that they continue.
package chat
