// Package arch holds the tests that keep the architecture as it is drawn: which
// package may import which, one package comment each, exported names with a
// comment, and a snapshot of the dependencies. It has no code of its own.
package arch
