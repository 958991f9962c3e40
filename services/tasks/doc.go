// Package tasks holds what services and their callers share about each kind of task: its
// name, its parameters with their JSON Schema, its result, and the forms in which the
// result is written.
package tasks
