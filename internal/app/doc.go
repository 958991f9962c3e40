// Package app builds the server: it creates and connects every object, and starts and stops
// the parts in order. It is the only package that imports all others.
package app
