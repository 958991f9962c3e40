// The texts of the view Recordings.
import { plural } from '../texts.js';

export const t = {
  empty: { title: 'No recordings are stored', text: 'The server keeps recordings for jobs, patterns and edits. Store the one in the deck, or a file.' },
  list: 'Stored recordings', loading: 'Loading the recordings', count: (n, more) => `${plural(n, 'recording', 'recordings')}${more ? ' and more' : ''}`, find: 'Find a recording',
  name: 'Name', length: 'Length', rate: 'Rate', size: 'Size', used: 'Last used', expires: 'Expires', noMatch: 'No recording has this name.', showMore: 'Load more',
  put: (name) => `To the deck: ${name}`, save: (name) => `Save ${name}`, remove: (name) => `Delete ${name}`, delete: 'Delete', removed: (name) => `${name} was deleted`,
  storeFile: 'Store files', storeDeck: 'Store the deck’s recording', stored: (name) => `${name} is stored`, storing: 'Storing', never: 'while a job needs it',
};
