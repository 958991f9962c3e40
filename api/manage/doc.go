// Package manage serves the routes that monitor and manage the server: services, models,
// resources, forecasts, settings. It builds the views of these routes and of the probes.
package manage
