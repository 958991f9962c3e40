// The tasks under way, requested every two seconds while the page is visible.
import { html, useState, useEffect, since, toast } from '../lib.js';
import { State, ErrorBox, Curl, Progress } from '../ui.js';
import { describe, send, getJSON } from '../api.js';
import { mayAsk } from '../server.js';
import { underWay as t } from '../texts/system.js';
import { say } from '../texts.js';

const period = 2000, mostShown = 50;
const cancelled = (id) => describe('DELETE', `/v1/tasks/${encodeURIComponent(id)}`);

function useTasks() {
  const [list, setList] = useState([]), [error, setError] = useState(null);
  const look = async () => {
    if (document.hidden || !mayAsk()) return;
    try {
      setList((await getJSON('/v1/tasks')).data);
      setError(null);
    } catch (e) {
      setError(e.code === 'unreachable' ? null : e); // which the view says already
    }
  };
  useEffect(() => {
    look();
    const timer = setInterval(look, period);
    return () => clearInterval(timer);
  }, []);
  return { list, error, look };
}

export function Tasks() {
  const { list, error, look } = useTasks();
  const cancel = async (id) => {
    try {
      await send(cancelled(id));
      toast(t.cancelled);
    } catch (e) {
      toast(e.message);
    }
    look();
  };
  const row = (x) => {
    const name = say.tasks[x.task] ?? x.task;
    return html`<tr key=${x.id} data-test="task"><td><b>${name}</b><div class="tiny faint">${[x.service, x.model].filter(Boolean).join(', ')}</div></td>
      <td><${State} of=${x.state} /></td><td class="fifth hide-s"><${Progress} value=${x.progress || null} label=${t.progress(name)} /></td>
      <td class="muted hide-s">${x.health_check ? t.health : x.job_id ? html`<a href=${`#/jobs/${x.job_id}`}>${t.job}</a>` : t.request}${x.caller ? `, ${x.caller}` : ''}</td>
      <td class="num nowrap">${since(x.since)}</td>
      <td class="num"><button class="btn small quiet" disabled=${x.state === 'cancelled'} aria-label=${t.cancelIt(name, since(x.since))} onClick=${() => cancel(x.id)}>${say.jobs.cancel}</button></td></tr>`;
  };
  return html`<section class="stack" aria-label=${t.title}><div class="row"><h2 class="grow">${t.title}</h2><span class="small faint">${list.length > 0 ? t.count(list.length) : ''}</span></div>
    <${ErrorBox} error=${error} />
    ${list.length > 0 ? html`<div class="panel flush table-wrap"><table><thead><tr><th>${say.jobs.task}</th><th>${say.jobs.status}</th><th class="hide-s">${say.jobs.progress}</th><th class="hide-s">${t.of}</th>
      <th class="num">${t.since}</th><th><span class="sr">${say.actions}</span></th></tr></thead><tbody>${list.slice(0, mostShown).map(row)}</tbody></table></div>`
    : !error && html`<p class="small muted">${t.none}</p>`}
    <${Curl} request=${list.length ? cancelled(list[0].id) : describe('GET', '/v1/tasks')} /></section>`;
}
