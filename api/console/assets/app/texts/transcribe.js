// The texts of the view Transcribe.
import { plural } from '../texts.js';

export const t = {
  empty: { title: 'No recording yet', text: 'Drop one anywhere on this page, record one, or use the sample: five short spoken commands.' },
  result: 'Transcript', run: 'Transcribe', runSpan: 'Transcribe the selection', runJob: 'Submit as a job', busy: (length) => `Transcribing ${length}`,
  ready: (length) => `${length} long. Each word of the transcript is a button that plays its moment. Select a span in the deck to transcribe only that.`,
  long: 'For a recording of this length a job is better: it continues when the page is closed.', format: 'Format',
  formats: [['words', 'Words'], ['text', 'Text'], ['srt', 'SRT'], ['vtt', 'WebVTT'], ['json', 'JSON']], words: 'Words; arrow keys move, Enter plays',
  noWords: 'No words were recognised. The embedded model knows about a hundred words of synthetic speech; other models go to data/models.',
  summary: (n, length, took) => `${plural(n, 'word', 'words')} in ${length}, transcribed in ${took.toFixed(2)} s`,
  part: (from, to, all) => `Words ${from} to ${to} of ${all}; the others follow when they are played. Save has all.`,
};
