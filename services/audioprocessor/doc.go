// Package audioprocessor is the service for work on sound that needs no model:
// it converts recordings between containers, sample rates, channels and bit
// depths. It streams, so its memory does not grow with the recording. It knows
// nothing of HTTP or of models.
package audioprocessor
