// The texts of the view Jobs.
import { plural } from '../texts.js';

export const t = {
  empty: { title: 'No jobs yet', text: 'A job continues when this page is closed, and survives a restart of the server. Submit one to see its progress.' },
  sample: 'Submit a sample job', batch: 'Batch of files',
  filter: {
    all: (n) => `All ${n.toLocaleString('en')}`, unfinished: (n) => `Unfinished ${n.toLocaleString('en')}`, succeeded: () => 'Succeeded', failed: (n) => (n ? `Failed ${n.toLocaleString('en')}` : 'Failed'), cancelled: () => 'Cancelled',
  },
  older: 'Load older jobs', delete: 'Delete', deadline: 'Deadline', callback: 'Webhook', byLabel: 'All jobs with a label', label: 'Label as key:value', labelExample: 'album:7', cancelAll: 'Cancel all', deleteEnded: 'Delete the ended ones',
  sure: { cancel: (label) => `Cancel all with ${label}`, purge: (label) => `Delete the ended ones with ${label}` },
  changed: (x) => `${plural(x.matched, 'job has', 'jobs have')} the label: ${x.cancelled} cancelled, ${x.deleted} deleted`,
  everyTask: 'every task', find: 'Find a job', findWhat: 'Name, id, label', job: 'Job', submitted: 'Submitted',
  noMatch: 'No job matches.', id: 'Id', model: 'Model', recording: 'Recording', waited: 'Waited', ran: 'Ran',
  soundToDeck: 'Sound to the deck', recordingToDeck: 'Recording to the deck', attempts: (n) => `Attempts (${n})`, params: 'Parameters',
};
