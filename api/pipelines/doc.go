// Package pipelines serves the routes of pipelines and of the steps of their runs.
package pipelines
