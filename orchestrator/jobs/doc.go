// Package jobs keeps asynchronous work and sees it to its end: what was accepted
// survives the process, runs at least once, and has one result. It knows the
// service contract and the port to a store; it knows neither HTTP nor the
// database behind the port.
package jobs
