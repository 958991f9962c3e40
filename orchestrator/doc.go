// Package orchestrator decides what happens to a task: which service does it,
// whether it may run now, under which guard, and which observers are called at the end. It
// knows the service contract only, and declares the small interfaces it calls;
// it knows neither models nor HTTP.
package orchestrator
