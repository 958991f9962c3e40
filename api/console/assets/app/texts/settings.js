// The texts of the view Settings.
export const t = {
  browser: 'This browser', theme: 'Theme', themes: [['auto', 'As the system'], ['dark', 'Dark'], ['light', 'Light']], letters: 'Shortcuts of one letter', onOff: [['on', 'On'], ['off', 'Off']],
  noKeys: 'This server requires no API key from this machine.', signOut: 'Sign out', server: 'Settings of the server', which: 'Which settings',
  whichItems: [['live', 'Can change now'], ['all', 'All']], find: 'Find a setting', setting: 'Setting', value: 'Value', change: 'Change', atStart: 'at start', blank: 'empty',
  lasts: 'A change lasts until the server stops. config.yaml makes it permanent.', changed: (key) => `${key} has changed`, default: 'default',
  from: (origin) => (origin === 'changed live' ? 'changed here' : `from ${origin}`), about: 'About', licences: 'Licences of the libraries and fonts',
  aboutText: 'The console is part of grym-synth. It uses only documented routes of the API.',
};
