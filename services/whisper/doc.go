// Package whisper is the service that transcribes and translates speech with Whisper
// models, in folders as Optimum and transformers.js lay them out: an encoder and a decoder
// that is merged with its continuation.
//
// A recording is read in windows of 30 s. The log-mel spectrogram of a window is encoded
// once; the decoder then writes text and timestamps, under the rules of the reference
// implementation (github.com/openai/whisper, decoding.py and transcribe.py): suppressed
// tokens, timestamps in pairs that never decrease, repetition by temperature where the text
// compresses too well or is too improbable, and silence by the probability of no speech.
// The next window begins at the last complete timestamp. Earlier text does not influence
// later windows, so that an error does not spread.
package whisper
