// The names of parameters, and what they mean. Others are named by their schema.
export const params = {
  prompt: 'Prompt', negative_prompt: 'Negative prompt', audio_length_in_s: 'Length in seconds', num_inference_steps: 'Steps', guidance_scale: 'Guidance',
  num_waveforms_per_prompt: 'Number of sounds', window_seconds: 'Window in seconds', top_k: 'Top k', top_p: 'Top p', eta: 'Eta', response_format: 'Format',
  bit_depth: 'Bit depth', sample_rate: 'Sample rate', max_tokens: 'Longest answer in tokens', floor_db: 'Lowest level in dB', ceiling_db: 'Highest level in dB',
  min_frequency: 'Lowest frequency in Hz', max_frequency: 'Highest frequency in Hz', colors: 'Colour map', start: 'Begin in seconds', end: 'End in seconds',
  labels: 'Labels, separated by commas', template: 'Template of the labels', space: 'Space', frames: 'Vectors of short windows', frame_windows: 'Lengths of the windows', frame_hop: 'Hop of the windows',
  rank: 'Rank by the prompt',
};
export const hints = { num_waveforms_per_prompt: 'Different sounds from one seed', negative_prompt: 'What should not be heard', seed: 'The same seed makes the same result' };
