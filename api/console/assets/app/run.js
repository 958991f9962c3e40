// Runs a task now, wherever its recording is.
import { describe, send, ApiError } from './api.js';
import { submitRequest, whenFinished, cancel } from './jobs.js';
import { taskRequest, jobRequest, needsJob } from './tasks.js';
import { say } from './texts.js';

/** The request of a task: its route, or a job that reads a stored recording. */
export const requestOf = (task, options) => (needsJob(task, options.audio) ? jobRequest({ ...options, task: task.task }) : taskRequest(task, options));

/** Runs a task and returns the response with its result. `format` is that of a job's result. */
export async function runTask(task, options, { signal, format = 'json' } = {}) {
  const request = requestOf(task, options);
  if (!needsJob(task, options.audio)) return send(request, { signal });
  const { id } = await submitRequest(request), stop = () => cancel(id);
  signal?.addEventListener('abort', stop);
  const end = await whenFinished(id);
  signal?.removeEventListener('abort', stop);
  if (end.status === 'succeeded') return send(describe('GET', `/v1/jobs/${id}/result?format=${format}`));
  if (signal?.aborted) throw new DOMException(say.state.cancelled, 'AbortError');
  throw new ApiError(0, { detail: end.error?.message ?? say.state[end.status] });
}
