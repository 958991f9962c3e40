// Package arch has the tests that enforce the architecture and the style of the code: which
// package may import which, a snapshot of the dependencies, doc comments in the standard
// form, and limits for the size of files, functions and lines. It has no other code.
package arch
