// Package chat serves the routes of questions about sounds: chat completions, and the
// conversations that they continue.
package chat
