// What operators did to the server: who, when, what, and how it ended.
import { html, useState, useEffect, useRef } from '../lib.js';
import { Curl, ErrorBox, Pill } from '../ui.js';
import { describe } from '../api.js';
import { usePages } from '../pages.js';
import { t } from '../texts/audit.js';
import { say } from '../texts.js';

const path = '/v1/system/audit', atFirst = 10, tones = { done: 'ok', refused: 'warn', failed: 'bad' };
const whenOf = (iso) => new Date(iso).toLocaleString('en-GB', { day: '2-digit', month: 'short', hour: '2-digit', minute: '2-digit', second: '2-digit' });
const whoOf = (x) => x.key_name || x.key || (t.sessions[x.operation] ? t.invalid : t.anybody);
const textOf = (x) => [whoOf(x), x.key, x.client, t.sessions[x.operation], x.method, x.path, x.target, x.reason, x.outcome, x.code].join(' ').toLowerCase();

/** The list is requested anew when the stamp changes, and scrolled to where the address says so. */
export function Audit({ stamp, here }) {
  const all = usePages(path), [text, setText] = useState(''), [most, setMost] = useState(atFirst), box = useRef();
  useEffect(() => { if (stamp) all.more(); }, [stamp]);
  useEffect(() => { if (here && all.list) box.current.scrollIntoView(); }, [here, !all.list]);
  const found = (all.list ?? []).filter((x) => textOf(x).includes(text.toLowerCase())), rest = found.length - most;
  const row = (x) => html`<tr key=${x.id} data-test="action"><td class="mono small"><time datetime=${x.at}>${whenOf(x.at)}</time></td><td class="hide-s"><b>${whoOf(x)}</b><div class="tiny faint">${x.client && t.from(x.client)}</div></td>
    <td class="wrap">${t.sessions[x.operation] ? html`<span>${t.sessions[x.operation]}</span>` : html`<span class="mono small">${x.method} ${x.path}</span>`}${(x.target || x.reason) && html`<div class="tiny faint">${[x.target, x.reason].filter(Boolean).join(': ')}</div>`}<div class="tiny faint show-s">${whoOf(x)} ${x.client && t.from(x.client)}</div></td>
    <td><${Pill} tone=${tones[x.outcome]}>${t.outcomes[x.outcome]}<//><div class="tiny faint">${x.status}${x.code ? ` ${x.code}` : ''}</div></td></tr>`;
  return html`<section class="stack" ref=${box} aria-label=${t.title}><div class="row wrap"><h2 class="grow">${t.title}</h2>${all.list?.length > 0 && html`<div class="w-13"><input type="search" aria-label=${t.find} placeholder=${t.find} value=${text} onInput=${(e) => setText(e.target.value)} /></div>`}</div>
    <${ErrorBox} error=${all.error} onRetry=${() => all.more()} />
    ${found.length > 0 ? html`<div class="panel flush table-wrap"><table><thead><tr><th>${t.when}</th><th class="hide-s">${t.who}</th><th>${t.what}</th><th>${t.outcome}</th></tr></thead><tbody>${found.slice(0, most).map(row)}</tbody></table></div>`
    : all.list && html`<p class="small muted">${all.list.length ? t.nothingFound : t.none}</p>`}
    ${rest > 0 ? html`<button class="btn" onClick=${() => setMost(most + 100)}>${say.showMore(rest)}</button>` : all.next && html`<button class="btn" onClick=${() => { setMost(most + 200); all.more(all.next); }}>${say.more}</button>`}
    <p class="small muted">${t.kept}</p><${Curl} request=${describe('GET', path)} /></section>`;
}
