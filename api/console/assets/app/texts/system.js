// The texts of the view System.
import { plural } from '../texts.js';

export const system = {
  verdict: 'State', asking: 'Connecting', unknown: 'Unknown', noScope: 'This API key may not see the state of the server; it needs the scope read.', noAnswer: 'The server does not answer',
  breakerOpen: 'cut off by the circuit breaker', down: (names, state) => `${names.join(', ')} ${names.length > 1 ? 'are' : 'is'} ${state}`, othersWork: 'The other services work.',
  checkFails: (name) => `The check ${name} fails`, unhealthy: 'Unhealthy', warned: 'Healthy, with a warning', well: 'Everything works',
  wellWhy: (n, waiting, up) => `${plural(n, 'service', 'services')}, ${waiting ? `${plural(waiting, 'task', 'tasks')} waiting` : 'nothing waits'}${up ? `, up for ${up}` : ''}.`,
  old: (s) => `${s} s old`, seen: (time) => `as of ${time}`, gauges: 'Gauges', memory: 'Memory', of: (all) => `of ${all}`, cpu: 'Processor', cores: 'cores',
  ofCores: (n) => `of ${n} cores`, memoryText: (reserved, held, soon) => `reserved ${reserved}, resident ${held}${soon ? `, in 5 minutes ${soon} (mark)` : ''}`,
  scheduling: (p99) => `scheduling delay ${p99} (p99)`, queue: 'Queue', running: (n) => `waiting, ${n} running`, places: (n) => `of ${n} places`, unfinished: 'unfinished',
  jobCounts: (queued, running) => `${queued} queued, ${running} running`, oldest: (age) => `the oldest for ${age}`, disk: 'Disk', free: 'free', services: 'Services',
  service: 'Service', state: 'State', breaker: 'Breaker', runs: 'Running', since: 'Since', held: 'opened here',
  drained: (model) => (model ? `${model} is drained` : 'drained'), events: 'Events', forecast: 'Forecast', runsOf: (n, max) => `(${n} of at most ${max} at once)`, resources: 'Resources',
  isRunning: 'Is the server running?', comesBack: 'This page asks every five seconds and continues by itself. Start the server, or read its log:',
};

export const underWay = {
  title: 'Tasks under way', none: 'No task runs or waits.', count: (n) => plural(n, 'task', 'tasks'), of: 'From', since: 'For', health: 'health check', job: 'job', request: 'request',
  progress: (task) => `Progress of ${task}`, cancelIt: (task, age) => `Cancel ${task}, under way for ${age}`, cancelled: 'The task is being cancelled',
};

export const plots = {
  title: 'The last half hour', cpu: 'Processor', cores: 'cores', memory: 'Memory', all: 'process', engine: 'engine', latency: 'Latency, p95', rate: 'Tasks per second',
  waiting: 'Waiting tasks', tasks: 'tasks', scheduling: 'Go runtime, p99', wait: 'scheduling delay', gc: 'GC pause', forecast: 'forecast', now: (title, values) => `${title}: now ${values}`,
};

export const actions = {
  names: { restart: 'Restart', reload: 'Reload', drain: 'Drain', resume: 'Resume', 'breaker/open': 'Open breaker', 'breaker/reset': 'Close breaker' },
  sure: {
    restart: (name) => `Unload and start ${name} again?`, reload: (name) => `Load the files of ${name} anew, and use them for later tasks?`, drain: (name) => `Refuse new tasks of ${name}, and let the running ones end?`, resume: (name) => `Accept tasks of ${name} again?`,
    'breaker/open': (name) => `Take ${name} out of service until the breaker is closed?`, 'breaker/reset': (name) => `Close the breaker of ${name}?`,
  },
  reason: 'Reason, for everyone whose task is refused', reasonExample: 'new weights at noon',
  gap: 'Unload the version in use first, where both do not fit into the memory',
  done: { restart: (n) => `${n} was restarted`, reload: (n) => `${n} was loaded anew`, 'breaker/reset': (n) => `The breaker of ${n} is closed`, 'breaker/open': (n) => `The breaker of ${n} is open`, drain: (n) => `${n} is drained`, resume: (n) => `${n} accepts tasks again` },
};

export const past = {
  title: 'Lately', spans: [[1, 'This hour'], [24, 'A day'], [168, 'A week']], slowest: 'Slowest models (p95)', busiest: 'Busiest hours', refusals: 'Refusals', nothing: 'Nothing yet.', ago: (time) => `last ${time} ago`,
  tasks: (n, failed) => `${plural(n, 'task', 'tasks')}${failed ? `, ${failed} failed` : ''}`, ran: (time) => `${time} of work`, acknowledge: 'Acknowledge', acknowledged: (n) => `${plural(n, 'loss was', 'losses were')} acknowledged`,
  lost: (n) => `The store lost ${plural(n, 'record', 'records')}`, records: (n, lost) => `The store has ${plural(n, 'record', 'records')}, and ${lost ? 'lost some' : 'none was lost'}.`,
  what: { missing: 'missing', reverted: 'an earlier state', content: 'bytes are missing', ledger: 'the list of records is damaged' },
};
