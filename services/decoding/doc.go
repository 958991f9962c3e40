// Package decoding is what the decoders of all autoregressive models have in common: the
// cache of keys and values that their graphs read and write in place, the choice of a token
// from logits, and the loop over the tokens, with its cancellation and its yields.
//
// What the tokens mean, what a graph reads besides its cache, and when a text is good, is
// the business of the services.
package decoding
