// Package audio serves the routes that read or generate audio: transcriptions, generations,
// conversions, analyses, and the stored recordings.
package audio
