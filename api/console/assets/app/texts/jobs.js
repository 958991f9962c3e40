// The texts of the view Jobs.
export const t = {
  empty: { title: 'No jobs yet', text: 'A job continues when this page is closed, and survives a restart of the server. Submit one to see its progress.' },
  sample: 'Submit a sample job', batch: 'Batch of files',
  filter: {
    all: (n) => `All ${n}`, unfinished: (n) => `Unfinished ${n}`, succeeded: 'Succeeded', failed: (n) => (n ? `Failed ${n}` : 'Failed'), cancelled: 'Cancelled',
  },
  everyTask: 'every task', find: 'Find a job', findWhat: 'Name, id, label', job: 'Job', submitted: 'Submitted',
  noMatch: 'No job matches.', showMore: (n) => `Show more (${n})`, id: 'Id', model: 'Model', recording: 'Recording', waited: 'Waited', ran: 'Ran',
  soundToDeck: 'Sound to the deck', recordingToDeck: 'Recording to the deck', attempts: (n) => `Attempts (${n})`, params: 'Parameters',
};
