// The texts of batches.
import { plural } from '../texts.js';

export const t = {
  name: (task, title) => `${task}, ${title}`, accepted: (n) => `A batch of ${plural(n, 'item', 'items')} was accepted`, retry: 'Retry failed', cancel: 'Cancel the rest',
  state: (ended, all, failed) => `${ended} of ${all} finished${failed ? `, ${failed} failed` : ''}`, left: (time) => `, ${time} left`, zip: 'Results', remove: 'Delete',
  counts: (c) => `${c.pending + c.queued} waiting, ${c.running} running, ${c.succeeded} succeeded, ${c.failed} failed, ${c.cancelled} cancelled`,
  showMore: (n) => `Show more batches (${n})`, first: (n) => `The first ${n}; the archive has all.`, item: (n) => `Item ${n}`, toDeck: (name) => `To the deck: ${name}`,
};
