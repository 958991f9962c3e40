// The API keys of the server.
import { html, useState, useEffect, copy, toast, since, span } from '../lib.js';
import { Icon, Curl, ErrorBox, Field, Select, Pill } from '../ui.js';
import { describe, send, getJSON } from '../api.js';
import { keys as t } from '../texts/settings.js';
import { say } from '../texts.js';

const days = { '': 0, 1: 1, 30: 30, 365: 365 };
const listing = describe('GET', '/v1/keys');
const lasts = (x) => (x.expired ? t.expired : x.expires ? t.expiresIn(span((Date.parse(x.expires) - Date.now()) / 1000)) : t.never);

export function Keys() {
  const [found, setFound] = useState(null), [error, setError] = useState(null), [sure, setSure] = useState(''), [made, setMade] = useState(null);
  const load = () => getJSON(listing.path).then(setFound, setError);
  useEffect(() => { load(); }, []);
  const attempt = async (f) => {
    setError(null);
    try {
      await f();
      await load();
    } catch (e) {
      setError(e);
    }
  };
  const revoke = (x) => attempt(async () => {
    setSure('');
    if (made?.id === x.id) setMade(null);
    await send(describe('DELETE', `/v1/keys/${x.id}`));
    toast(t.revoked(x.name || x.id));
  });
  if (error?.status === 403) return null; // a key that may not manage keys
  const row = (x) => html`<tr key=${x.id} data-test="key"><td><b>${x.name || html`<span class="faint">${t.noName}</span>`}</b><div class="tiny faint mono">${x.id}</div></td><td>${x.scopes.map((v) => t.scopes[v] ?? v).join(', ')}</td>
    <td class="hide-s muted nowrap">${since(x.created)}</td><td class="hide-s nowrap">${lasts(x)}</td><td class="num nowrap">${x.current ? html`<${Pill} tone="ok">${t.current}<//>`
    : sure === x.id ? html`<button class="btn small danger" onClick=${() => revoke(x)}>${t.revokeIt(x.name || x.id)}</button> <button class="btn small quiet" onClick=${() => setSure('')}>${say.no}</button>`
    : html`<button class="btn small quiet" aria-label=${t.revokeIt(x.name || x.id)} onClick=${() => setSure(x.id)}>${t.revoke}</button>`}</td></tr>`;
  return html`<section class="stack" aria-label=${t.title}><h2>${t.title}</h2>${found && !found.required && html`<p class="small muted">${t.notRequired}</p>`}
    <${ErrorBox} error=${error} onRetry=${load} /><${Create} attempt=${attempt} onMade=${setMade} />
    ${made && html`<div class="panel stack tight" role="group" aria-label=${t.new}><p><b>${t.once(made.name)}</b></p><div class="row wrap"><code class="key" data-test="new-key">${made.key}</code>
      <button class="btn small" onClick=${async () => { await copy(made.key); toast(say.copied); }}>${say.copy}</button><button class="btn small quiet icon-only" aria-label=${say.close} onClick=${() => setMade(null)}><${Icon} name="close" /></button></div></div>`}
    ${found?.data.length > 0 && html`<div class="panel flush table-wrap"><table aria-label=${t.title}><thead><tr><th>${t.name}</th><th>${t.may}</th><th class="hide-s">${t.age}</th><th class="hide-s">${t.life}</th>
      <th><span class="sr">${say.actions}</span></th></tr></thead><tbody>${found.data.map(row)}</tbody></table></div>`}
    <${Curl} request=${sure ? describe('DELETE', `/v1/keys/${sure}`) : listing} /></section>`;
}

function Create({ attempt, onMade }) {
  const [name, setName] = useState(''), [scopes, setScopes] = useState('use'), [life, setLife] = useState('');
  const build = (now) => describe('POST', '/v1/keys', { json: { ...(name.trim() && { name: name.trim() }), scopes: scopes.split(','),
    ...(days[life] && { expires: new Date(now + days[life] * 86_400_000).toISOString().slice(0, 19).concat('Z') }) } });
  const create = (e) => {
    e.preventDefault();
    attempt(async () => {
      onMade(await (await send(build(Date.now()))).json());
      setName('');
    });
  };
  return html`<form class="panel stack" aria-label=${t.new} onSubmit=${create}><div class="row wrap pull"><div class="grow"><${Field} label=${t.name}><input type="text" name="key-name" maxlength="128" autocomplete="off" placeholder=${t.nameExample}
      value=${name} onInput=${(e) => setName(e.target.value)} /><//></div>
    <div class="w-11"><${Field} label=${t.may}><${Select} name="scopes" value=${scopes} onChange=${setScopes} items=${t.scopeSets} /><//></div>
    <div class="w-11"><${Field} label=${t.life}><${Select} name="life" value=${life} onChange=${setLife} items=${t.lives} /><//></div>
    <button class="btn primary" data-test="create-key">${t.create}</button></div><${Curl} request=${build(Date.now())} /></form>`;
}
