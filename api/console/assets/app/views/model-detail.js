// One model: what it is, and what an operator can do to it.
import { html, useState, bytes, toast } from '../lib.js';
import { Icon, Curl, ErrorBox, State } from '../ui.js';
import { describe, send } from '../api.js';
import { look } from '../server.js';
import { Question } from './service-actions.js';
import { actions } from '../texts/system.js';
import { t } from '../texts/models.js';
import { say } from '../texts.js';

const fields = ['license', 'languages', 'precision', 'source', 'revision', 'architecture'];
const text = (v) => (Array.isArray(v) ? v.join(', ') : String(v));

export function ModelDetail({ m, service, forecast, after }) {
  const [asked, ask] = useState(null), [error, setError] = useState(null), drain = service?.drains?.find((x) => x.model === m.id), whole = service?.drains?.some((x) => !x.model), breaker = m.breaker ?? 'closed';
  const act = async ({ action }, request) => {
    ask(null);
    setError(null);
    try {
      await send(request);
      toast(actions.done[action](m.id));
      after();
      await look();
    } catch (e) {
      setError(e);
    }
  };
  const button = (action) => html`<button class="btn small" onClick=${() => ask({ name: m.service, model: m.id, action })}>${actions.names[action]}</button>`;
  const rows = [[t.use, t.service[m.service] ?? m.service], ...fields.filter((f) => m[f]?.length).map((f) => [t.fields[f] ?? f, text(m[f])]), [t.size, m.size_bytes && bytes(m.size_bytes)],
    [t.loaded, m.loaded_bytes && bytes(m.loaded_bytes)], [t.health, m.health], [t.forecast, forecast]];
  return html`<aside class="side stack" aria-label=${t.one(m.id)}><div class="panel stack"><div class="row"><h2 class="grow clip">${m.id}</h2><a class="btn small quiet icon-only" href="#/models" aria-label=${say.close}><${Icon} name="close" /></a></div>
      <${ErrorBox} error=${error} />
      <div class="row wrap"><${State} of=${m.state} /><span class="small muted">${t.breaker}</span><${State} of=${breaker} />${(drain || whole) && html`<span class="pill warn">${t.drained(drain?.reason)}</span>`}</div>
      <dl class="facts">${rows.filter(([, v]) => v).map(([k, v]) => html`<dt>${k}</dt><dd>${v}</dd>`)}</dl>
      ${m.problem && html`<p class="small bad">${m.problem}</p>`}${m.files_changed && html`<p class="small warn">${t.filesChanged}</p>`}
      ${m.reload_problem && html`<p class="small bad">${t.notReloaded(m.reload_problem)}</p>`}
      ${m.service && html`<div class="row wrap">${m.owned_by === 'folder' && button('reload')}${button(drain ? 'resume' : 'drain')}${button(breaker === 'closed' ? 'breaker/open' : 'breaker/reset')}</div>`}</div>
    ${asked ? html`<${Question} key=${asked.action} asked=${asked} ask=${ask} act=${act} />` : html`<${Curl} request=${describe('GET', `/v1/models/${encodeURIComponent(m.id)}`)} />`}</aside>`;
}
