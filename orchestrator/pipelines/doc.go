// Package pipelines describes graphs of tasks, checks them, and runs them as jobs of the
// service "pipelines". What a step made is recorded when it ends, so that a run which is
// interrupted goes on where it was.
package pipelines
