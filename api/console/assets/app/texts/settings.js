// The texts of the view Settings.
export const t = {
  browser: 'This browser', theme: 'Theme', themes: [['auto', 'As the system'], ['dark', 'Dark'], ['light', 'Light']], letters: 'Shortcuts of one letter', onOff: [['on', 'On'], ['off', 'Off']],
  noKeys: 'This server requires no API key from this machine.', signOut: 'Sign out', server: 'Settings of the server', which: 'Which settings',
  whichItems: [['live', 'Can change now'], ['all', 'All']], find: 'Find a setting', setting: 'Setting', value: 'Value', change: 'Change', atStart: 'at start', blank: 'empty',
  lasts: 'A change lasts until the server stops. config.yaml makes it permanent.', changed: (key) => `${key} has changed`, default: 'default',
  from: (origin) => (origin === 'changed live' ? 'changed here' : `from ${origin}`), about: 'About', licences: 'Licences of the libraries and fonts',
  aboutText: 'The console is part of grym-synth. It uses only documented routes of the API.',
};

export const keys = {
  title: 'API keys', new: 'New key', create: 'Create a key', name: 'For whom', nameExample: 'a colleague', noName: 'no name', may: 'May', age: 'Age', life: 'Valid for', never: 'until revoked', expired: 'expired',
  expiresIn: (time) => `${time} more`, current: 'this session', revoke: 'Revoke', revokeIt: (name) => `Revoke ${name}`, revoked: (name) => `The key ${name} was revoked`,
  once: (name) => `The key${name ? ` for ${name}` : ''}. It is not shown again:`, notRequired: 'This server requires no key from this machine. Keys count where auth.mode is keys, or when it listens on another address.',
  scopes: { use: 'run tasks', read: 'look at the state', admin: 'everything' },
  scopeSets: [['use', 'run tasks'], ['read', 'look at the state'], ['use,read', 'run tasks and look'], ['admin', 'everything']], lives: [['', 'ever, until revoked'], ['1', 'a day'], ['30', '30 days'], ['365', 'a year']],
};
