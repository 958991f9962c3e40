// Package patterns learns sounds from a few examples, finds them in recordings, and
// learns from corrections. It embeds sound through the tasks of other services.
package patterns
