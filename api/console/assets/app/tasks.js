// The tasks of the server with the schemas of their parameters, and the requests that run them.
import { store } from './lib.js';
import { describe, getJSON } from './api.js';

export const tasks = store({ list: [], error: null });
export async function loadTasks() {
  try {
    tasks.set({ list: (await getJSON('/v1/schemas')).data, error: null });
  } catch (error) {
    tasks.set({ error });
  }
}
/** The services that have a task: several can have models for it. */
export const servicesOf = (name, list = tasks.get().list) => list.filter((t) => t.task === name).map((t) => t.service);
export const taskOf = (name, list = tasks.get().list) => list.find((t) => t.task === name) ?? null;

/** The tasks whose routes read a stored recording; for the others a job reads it. */
const readStored = ['edit', 'analyze', 'draw', 'peaks', 'caption'];
export const needsJob = (task, audio) => Boolean(audio?.audioId) && !readStored.includes(task.task);
const spanOf = ({ span }) => (span ? { start: span.t0, end: span.t1 } : {});

/** The request that runs a task at once. `audio` is what deck.payload returns. */
export function taskRequest(task, { params, model, audio, output, headers }) {
  if (task.body === 'json') return describe('POST', task.route, { json: { ...(model && { model }), ...params }, output, headers });
  const form = audio?.audioId ? [['audio_id', audio.audioId], ...Object.entries(spanOf(audio)).map(([k, v]) => [k, String(v)])] : audio ? [['file', audio.file]] : [];
  if (model) form.push(['model', model]);
  for (const [name, value] of Object.entries(params)) form.push([name, Array.isArray(value) ? JSON.stringify(value) : String(value)]);
  return describe('POST', task.route, { form, output, headers });
}

/** The request that submits a task as a job. */
export function jobRequest({ task, params = {}, model, labels, priority, audio, options = {} }) {
  const stored = audio?.audioId, request = {
    task, params: stored ? { ...params, ...spanOf(audio) } : params, ...(stored && { audio_id: stored }), ...(model && { model }), ...(labels && { labels }), ...(priority && priority !== 'normal' && { priority }), ...options,
    ...(options.labels && { labels: { ...labels, ...options.labels } }),
  };
  if (!audio || stored) return describe('POST', '/v1/jobs', { json: request });
  return describe('POST', '/v1/jobs', { form: [['request', JSON.stringify(request)], ['audio', audio.file]] });
}
