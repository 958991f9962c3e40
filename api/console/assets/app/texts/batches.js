// The texts of batches.
import { plural } from '../texts.js';

export const t = {
  name: (task, title) => `${task}, ${title}`, retry: 'Retry failed', cancel: 'Cancel the rest',
  state: (ended, all, failed) => `${ended} of ${all} finished${failed ? `, ${failed} failed` : ''}`, left: (time) => `, ${time} left`, zip: 'Results', remove: 'Delete',
  counts: (c) => `${c.pending + c.queued} waiting, ${c.running} running, ${c.succeeded} succeeded, ${c.failed} failed, ${c.cancelled} cancelled`,
  showMore: (n) => `Show more batches (${n})`, first: (n) => `The first ${n}; the archive has all.`, item: (n) => `Item ${n}`, toDeck: (name) => `To the deck: ${name}`,
};

export const form = {
  title: 'New batch', files: 'Choose files', folder: 'Choose a folder', lines: 'JSON lines', nothing: 'Choose recordings, or a folder of them. Each becomes a job of its own; the results come as one archive.',
  linesOf: (name) => `Items of ${name}`, leaveOut: (name) => `Leave out ${name}`, chosen: (n, size) => `${plural(n, 'recording', 'recordings')}, ${size}`, others: (n) => `and ${n} more`, sending: 'Sending the recordings',
  run: (n) => (n > 1 ? `Submit ${n} recordings` : 'Submit'), name: 'Name', nameExample: 'talks of May',
};
