// Package app builds the server: it makes every object, joins them, and starts and
// stops them in order. It is the only package that knows all the others.
package app
