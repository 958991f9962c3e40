// The texts of the view Convert.
export const t = {
  empty: { title: 'No recording yet', text: 'Put a recording into the deck, choose another format, and compare both by ear.' },
  compare: 'Before and after', busy: 'Converting', which: 'Which', name: 'Name', size: 'Size', type: 'Type', before: 'Before', after: 'After', nothing: 'nothing yet',
  run: 'Convert', runSpan: 'Convert the selection', play: (label) => `Play: ${label}`, stop: (label) => `Stop: ${label}`,
};
