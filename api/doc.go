// Package api is the HTTP server: its middleware, access control, validation, and the
// probes. It composes the handlers of the packages below, and serves the routes that run a
// single task as the contract describes them. The contract is openapi.yaml; package gen
// holds the code generated from it.
package api
