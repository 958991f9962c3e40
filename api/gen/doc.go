// Package gen holds the types and the router generated
// from openapi.yaml. Nothing in it is written by hand but this file; run
// `go generate ./api/gen` after a change of the contract.
package gen

//go:generate go run github.com/oapi-codegen/oapi-codegen/v2/cmd/oapi-codegen@v2.8.2 -config oapi-codegen.yaml ../../openapi.yaml
