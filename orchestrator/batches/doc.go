// Package batches runs many jobs as one: the items of a batch become jobs while the queue has
// places, each exactly once, and the outcomes of ended ones move from the jobs' records into
// segments of the batch. It knows jobs, records and the library; it knows neither HTTP nor the
// store behind the records.
package batches
