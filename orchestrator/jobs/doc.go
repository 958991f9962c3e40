// Package jobs runs asynchronous jobs: an accepted job survives the process, runs at
// least once and has exactly one result. It knows the service contract, records and the
// library of recordings; it knows neither HTTP nor the store behind the records.
package jobs
