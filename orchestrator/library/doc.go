// Package library stores recordings by the hash of their content, each once. It
// streams them from and to the store, notes who stored what under which name, and
// deletes recordings that nobody needs and nobody used for long.
package library
