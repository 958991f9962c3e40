// The texts of the commands and the shortcuts.
export const palette = { name: 'Command palette', label: 'Command', ask: 'What do you want to do?', list: 'Commands', none: 'No command has this name.', button: 'Commands' };

export const commands = {
  batch: 'New batch of files', pipeline: 'New pipeline', key: 'Create an API key', audit: 'What operators did', modelOf: (id) => `Model ${id}`, model: 'Download a model', storeDeck: 'Store the deck’s recording on the server', emptyDeck: 'There is no recording in the deck', stored: (name) => `${name} is stored`,
  open: 'Open a recording', record: 'Record from the microphone', sampleSpeech: 'Sample clip: speech', sampleSound: 'Sample clip: bell and siren', play: 'Play or pause',
  clear: 'Clear the selection', jobs: 'Show or hide jobs', dark: 'Dark theme', light: 'Light theme', auto: 'Theme of the system', signIn: 'Sign in with a key', keys: 'Keyboard shortcuts',
  choose: (name) => `To the deck: ${name}`,
};

export const shortcuts = {
  title: 'Keyboard shortcuts',
  list: [
    ['Ctrl/⌘ K', 'Command palette'], ['Ctrl/⌘ ↵', 'The main action of the view'], ['Space', 'Play, pause'], ['← →', 'Seek (with Alt: finely)'], ['Shift ← →', 'Select from the position'],
    ['↑ ↓', 'Upper edge of the box (with Shift: lower)'], ['[ and ]', 'Start and end of the selection'], ['L', 'Loop the selection'], ['B', 'Select boxes in time and frequency'],
    ['+ − 0', 'Zoom in, out, all'], ['Page ↑ ↓', 'The part before, after, of a zoomed recording'], ['D', 'Fold the deck'], ['O', 'Open a recording'], ['R', 'Record, stop'], ['J', 'Show or hide jobs'], ['T', 'Dark, light, as the system'],
    ['G then …', 'Go to: T transcribe, A ask, D edit, E convert, R measure, P patterns, K other tasks, M text to audio, I pipelines, L recordings, J jobs, O models, S system, C settings'], ['Y N E', 'In a list of detections: right, wrong, move the edges'], ['Esc', 'Clear the selection, close'], ['?', 'This list'],
  ],
};
