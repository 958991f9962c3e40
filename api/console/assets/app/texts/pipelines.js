// The texts of the view Pipelines.
export const t = {
  empty: { title: 'No pipelines', text: 'A pipeline is several tasks as one. Write one, or define some with pipelines.definitions in the settings.' }, create: 'New pipeline', change: 'Change', copyOf: 'Copy and change', loading: 'Loading the pipelines', list: 'Pipelines', pipeline: 'Pipeline',
  takes: 'Recording', audio: { none: 'none', optional: 'optional', required: 'required' }, steps: 'Steps', step: 'Step', from: 'Origin', state: 'State', ready: 'ready', lacks: 'incomplete',
  origin: { stored: 'stored', config: 'settings', shipped: 'with the server' }, noInput: 'It takes no input.', inputAs: 'Input as', modes: [['form', 'Form'], ['json', 'JSON']], input: 'Input as JSON',
  noJSON: 'This is not a JSON object.', needsAudio: 'This pipeline takes a recording. Put one into the deck.', run: 'Run', runSpan: 'Run on the selection', withAudio: 'With the recording in the deck',
  drawing: (name) => `Drawing of ${name}`, drawingOfRun: (name) => `Drawing of the run of ${name}; the table below has the same states`, runs: 'Latest runs', runOf: (name) => `Run of ${name}`, took: 'Took',
  result: 'Result', resultOf: (step) => `Result of ${step}`, progressOf: (step) => `Progress of ${step}`, items: (done, total) => `${done} of ${total}`, moreItems: (n) => `${n} more`,
  soundOf: (step, n) => `To the deck: sound ${n} of ${step}`, again: 'Again from here', againFrom: (step) => `Again from here: ${step}`,
};
