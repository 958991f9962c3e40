// What the server has seen lately, and what its store lost.
import { html, useState, useEffect, span, since, toast } from '../lib.js';
import { Curl, ErrorBox } from '../ui.js';
import { describe, send, getJSON } from '../api.js';
import { past as t } from '../texts/system.js';
import { say } from '../texts.js';

const mostShown = 8, acknowledgement = describe('POST', '/v1/system/store/acknowledge');

export function Past({ admin }) {
  const [seen, setSeen] = useState(null), [store, setStore] = useState(null), [hours, setHours] = useState(24), [error, setError] = useState(null), query = describe('GET', `/v1/system/analytics?hours=${hours}&limit=${mostShown}`);
  const load = () => getJSON('/v1/system/store').then(setStore, setError);
  useEffect(() => { if (admin) load(); }, [admin]);
  useEffect(() => { if (admin) getJSON(query.path).then(setSeen, setError); }, [hours, admin]);
  if (!admin) return null;
  const acknowledge = async () => {
    try {
      toast(t.acknowledged((await (await send(acknowledgement)).json()).acknowledged));
    } catch (e) {
      setError(e);
    }
    load();
  };
  const list = (title, rows) => html`<div><h3>${title}</h3>${rows.length ? html`<ul class="trail wide">${rows}</ul>` : html`<p class="small muted">${t.nothing}</p>`}</div>`;
  return html`<section class="panel stack" aria-label=${t.title}><div class="row wrap"><h2 class="grow">${t.title}</h2>${t.spans.map(([n, name]) => html`<button class="btn small" aria-pressed=${n === hours} onClick=${() => setHours(n)}>${name}</button>`)}</div>
    <${ErrorBox} error=${error} />
    ${seen && html`<div class="thirds">${list(t.slowest, seen.slowest_models.map((x) => html`<li><span class="num">${span(x.run_p95_seconds)}</span><span>${x.model ?? x.service} <span class="faint">${t.tasks(x.tasks, x.failed)}</span></span></li>`))}
      ${list(t.busiest, seen.busiest_hours.map((x) => html`<li><span class="mono tiny">${new Date(x.start).toLocaleString('en-GB', { weekday: 'short', hour: '2-digit', minute: '2-digit' })}</span><span>${t.ran(span(x.run_seconds))} <span class="faint">${t.tasks(x.tasks, x.failed)}</span></span></li>`))}
      ${list(t.refusals, seen.refusals.map((x) => html`<li><span class="num">${x.count}</span><span>${x.status} ${x.cause} <span class="faint">${x.route}, ${t.ago(since(x.last))}</span></span></li>`))}</div>`}
    ${store?.lost.length > 0 && html`<div class="error" role="alert"><div><p><b>${t.lost(store.lost.length)}</b></p><ul class="small">${store.lost.slice(0, mostShown).map((x) => html`<li class="mono">${x.kind} ${x.id}: ${t.what[x.what] ?? x.what}</li>`)}</ul></div>
      <div class="foot"><button class="btn small" onClick=${acknowledge}>${t.acknowledge}</button></div></div>`}
    ${store && html`<p class="small muted">${store.problem ?? t.records(store.records, store.lost.length)}</p>`}
    <${Curl} request=${store?.lost.length > 0 ? acknowledgement : query} /></section>`;
}
