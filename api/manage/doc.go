// Package manage serves the routes by which the server is watched and changed: services,
// models, resources, forecasts, settings. It makes what these routes and the probes show
// of the parts behind them.
package manage
