// The texts of the view of other tasks.
export const t = {
  empty: { title: 'No recording yet', text: 'Put a recording into the deck first.' }, loading: 'Loading the tasks', which: 'Task', result: 'Result', run: 'Run',
  runSpan: 'Run on the selection', runJob: 'Submit as a job', busy: 'Running', ready: 'The form has every parameter of this task; the result appears here.', json: 'Result as JSON',
};
