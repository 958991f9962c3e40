// The texts of the editor of pipelines.
export const t = {
  title: (name) => (name ? `Change ${name}` : 'New pipeline'), definition: 'Definition as JSON', hint: 'name, description, input, audio, steps and output. Expressions are CEL, as in ${steps.words.result.text}.',
  save: 'Store', saved: (name) => `${name} is stored`, version: (n) => `Version ${n} will be stored; runs that have begun keep theirs.`, steps: 'Steps', noSteps: 'no steps yet', line: (n) => `line ${n}`,
  bad: (problem, line) => `This is not JSON: ${problem}${line ? ` (line ${line})` : ''}`, notObject: 'A definition is a JSON object.', faults: (n) => (n === 1 ? '1 fault' : `${n} faults`), good: 'no fault',
  goTo: (id) => `Go to the step ${id}`, other: 'Outside the steps', remove: (name) => `Delete ${name}`, removed: (name) => `${name} was deleted`,
};
/** What a new pipeline begins with. */
export const template = {
  name: 'my-pipeline', description: 'What it does, in one sentence', audio: 'required',
  steps: [{ id: 'clean', task: 'edit', audio: '${input.audio}', params: { operations: [{ op: 'high_pass', frequency: 80 }] } }, { id: 'words', task: 'transcribe', audio: '${steps.clean.audio}' }],
  output: '${steps.words.result.text}',
};
