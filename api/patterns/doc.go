// Package patterns serves the routes of patterns that run no task: lists, changes, relations
// and the export.
package patterns
