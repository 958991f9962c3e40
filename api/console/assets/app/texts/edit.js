// The texts of the view Edit.
import { plural } from '../texts.js';

export const t = {
  empty: { title: 'No recording yet', text: 'Put a recording into the deck, choose what is done to it, and compare before and after.' },
  chain: 'Operations, in their order', add: 'Add an operation', choose: 'Choose an operation', run: 'Edit', runSpan: 'Edit the selection', busy: 'Editing', result: 'Before and after',
  ready: { title: 'Nothing is edited yet', text: 'Add one operation or more. The result appears here beside the recording, to see and to hear; the recording itself stays as it is.' },
  first: 'Quick start', before: 'Before', after: 'After', play: (which) => `Play: ${which}`, pause: (which) => `Pause: ${which}`, picture: (which, name) => `Waveform and spectrogram: ${which}, ${name}`,
  up: (name) => `Move up: ${name}`, down: (name) => `Move down: ${name}`, remove: (name) => `Remove ${name}`, noParameters: 'It has no parameters.', output: 'Format of the result',
  keep: 'Keep as a recording', kept: 'It is kept as a recording', parts: (n) => plural(n, 'part', 'parts'), part: (n) => `Part ${n}`, zip: 'An archive of the parts',
  recordings: 'Stored recordings', addRecording: 'Add a stored recording', noRecordings: 'The server keeps no recordings. The view Recordings stores one.', leaveOut: (name) => `Leave out ${name}`,
  gone: 'An operation cannot be read', facts: (length, rate, size) => `${length}, ${rate} kHz${size ? `, ${size}` : ''}`,
  ops: {
    trim: 'Cut out a part', pad: 'Add silence', fade: 'Fade in and out', gain: 'Change the level', high_pass: 'High-pass filter', low_pass: 'Low-pass filter', band_pass: 'Band-pass filter',
    low_shelf: 'Low shelf', high_shelf: 'High shelf', resample: 'Another sample rate', remix: 'Another number of channels', reverse: 'Reverse', speed: 'Speed, with the pitch', time_stretch: 'Tempo alone',
    pitch_shift: 'Pitch alone', gate: 'Noise gate', limiter: 'Limiter', normalize: 'Normalize', concatenate: 'Append recordings', mix: 'Mix with recordings', crossfade: 'Crossfade into recordings',
    split_at_silences: 'Split at silences', remove_silence: 'Shorten silences',
  },
  quick: [
    ['Louder', [{ op: 'normalize', mode: 'loudness', target: -16 }]], ['Shorten silences', [{ op: 'remove_silence' }]], ['Fade in and out', [{ op: 'fade', in: 0.1, out: 0.3 }]],
    ['Remove rumble', [{ op: 'high_pass', frequency: 80 }]], ['Slower', [{ op: 'time_stretch', factor: 0.8 }]],
  ],
};
