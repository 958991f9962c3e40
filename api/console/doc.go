// Package console serves the console, a page for the browser that uses the API like any
// other client, and the sessions of its users. Its files are embedded in the binary.
package console
