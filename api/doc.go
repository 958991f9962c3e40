// Package api is the HTTP server: its middleware, who may use it, what a request may be,
// and the probes. It composes the handlers of the packages below, and serves the routes
// that run one task by what the contract says of them. The contract is openapi.yaml;
// package gen holds what is generated from it.
package api
