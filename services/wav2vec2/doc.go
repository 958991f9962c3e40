// Package wav2vec2 turns speech into text with a Wav2Vec2 CTC model: a folder
// in the Hugging Face or Optimum layout, read as it is. It owns everything
// between an audio file and words with times: decoding, resampling,
// normalisation as the folder says, one ONNX run and the CTC decode. It knows
// nothing of HTTP, queues or memory budgets.
package wav2vec2
