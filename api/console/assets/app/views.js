// The views. A new one is a file in views/, a row here and its texts in texts.js.
export const views = [
  { id: 'start', icon: 'home', load: () => import('./views/start.js') },
  { id: 'transcribe', group: 'recording', icon: 'text', key: 'T', load: () => import('./views/transcribe.js') },
  { id: 'ask', group: 'recording', icon: 'ask', key: 'A', load: () => import('./views/ask.js') },
  { id: 'edit', group: 'recording', icon: 'edit', key: 'D', load: () => import('./views/edit.js') },
  { id: 'convert', group: 'recording', icon: 'convert', key: 'E', load: () => import('./views/convert.js') },
  { id: 'measure', group: 'recording', icon: 'measure', key: 'R', load: () => import('./views/measure.js') },
  { id: 'patterns', group: 'recording', icon: 'pattern', key: 'P', load: () => import('./views/patterns.js') },
  { id: 'task', group: 'recording', icon: 'task', key: 'K', load: () => import('./views/task.js') },
  { id: 'generate', group: 'make', icon: 'make', key: 'M', load: () => import('./views/generate.js') },
  { id: 'pipelines', group: 'make', icon: 'pipeline', key: 'I', load: () => import('./views/pipelines.js') },
  { id: 'recordings', group: 'operate', icon: 'wave', key: 'L', load: () => import('./views/recordings.js') },
  { id: 'jobs', group: 'operate', icon: 'jobs', key: 'J', load: () => import('./views/jobs.js') },
  { id: 'models', group: 'operate', icon: 'model', key: 'O', load: () => import('./views/models.js') },
  { id: 'system', group: 'operate', icon: 'system', key: 'S', load: () => import('./views/system.js') },
  { id: 'settings', group: 'operate', icon: 'settings', key: 'C', load: () => import('./views/settings.js') },
];
export const groups = ['recording', 'make', 'operate'];
/** The views in the bar at the foot of a narrow page. */
export const tabs = ['transcribe', 'ask', 'generate', 'system'];
/** Tasks that have a view of their own. */
export const ownTasks = ['transcribe', 'ask', 'convert', 'edit', 'peaks', 'search', 'reembed', 'import_patterns', 'generate', 'analyze', 'teach', 'detect', 'correct', 'run', 'pull'];
export const viewOf = (id) => views.find((v) => v.id === id);
