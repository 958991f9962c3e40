// Package e2e has the tests that start the real binary and talk to it over
// HTTP. It has no code of its own.
package e2e
