// Package api is HTTP and nothing else: it decodes a request into a task, lets
// the orchestrator execute it, and encodes the result or the one error answer.
// The contract is openapi.yaml; package gen holds what is generated from it.
package api
