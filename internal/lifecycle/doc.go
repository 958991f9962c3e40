// Package lifecycle starts and stops the parts of the server: each has the same two
// methods, and one list has their order.
package lifecycle
