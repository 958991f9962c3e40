// Package resources owns the memory budget. A task takes a lease on bytes and
// on a run slot of its service before it runs, and waits here and nowhere else;
// loaded models hold bytes until they are evicted. It knows bytes and names,
// not models, audio or HTTP.
package resources
