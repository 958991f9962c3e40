// Package library stores recordings by the hash of their content, each once. It streams
// them to and from the store, records their owners and file names, and deletes
// recordings that are not needed and have not been used for their time to live.
package library
