// The texts of the view Measure.
import { plural } from '../texts.js';

export const t = {
  empty: { title: 'No recording yet', text: 'Put a recording into the deck first.' }, run: 'Measure and draw', runSpan: 'Measure the selection', busy: 'Measuring',
  ready: { title: 'Measure', text: 'The numbers and a picture of the recording appear here.' }, result: 'Result', what: 'What', value: 'Value', unit: 'Unit',
  silence: 'silence', values: (n) => plural(n, 'value', 'values'), alt: (kind, name) => `${kind} of ${name}`,
  parts: { source: 'File', mfcc: 'MFCC' },
};
