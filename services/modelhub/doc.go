// Package modelhub is the service that downloads models from a model hub to the models
// folder, where the other services find them.
package modelhub
