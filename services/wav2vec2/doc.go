// Package wav2vec2 runs Wav2Vec2 models, mainly for speech to text, from folders in the
// Hugging Face or Optimum layout. It implements everything from an audio file to words
// with times: decoding, resampling, the folder's normalisation, the ONNX runs and the
// CTC decoding. It does not depend on HTTP, queues or memory budgets.
package wav2vec2
