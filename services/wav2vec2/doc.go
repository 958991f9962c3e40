// Package wav2vec2 runs Wav2Vec2 models, above all speech to text: a folder
// in the Hugging Face or Optimum layout, read as it is. It owns everything
// between an audio file and words with times: decoding, resampling,
// normalisation as the folder says, the ONNX runs and the CTC decode. It knows
// nothing of HTTP, queues or memory budgets.
package wav2vec2
