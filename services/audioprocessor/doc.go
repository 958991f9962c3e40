// Package audioprocessor implements the service for audio processing that needs no
// model: it measures and edits recordings, and converts them between containers, sample
// rates, channels and bit depths. It streams, so its memory does not grow with the length
// of the recording.
package audioprocessor
