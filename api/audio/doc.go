// Package audio serves the routes that take or make sound: transcriptions, generations,
// conversions, analyses, and the stored recordings.
package audio
