// Package jobs runs asynchronous work: what was accepted survives the process, runs
// at least once, and has one result. It knows the service contract, records and the
// library of recordings; it knows neither HTTP nor the store behind the records.
package jobs
