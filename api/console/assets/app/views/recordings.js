// The recordings that the server keeps.
import { html, useState, bytes, clock, since, span, toast } from '../lib.js';
import { Icon, Curl, ErrorBox, Progress, Empty } from '../ui.js';
import { describe, send } from '../api.js';
import { deck, current, loadStored, forget, pickFiles } from '../deck.js';
import { audioPath, keep } from '../stored.js';
import { usePages } from '../pages.js';
import { t } from '../texts/recordings.js';
import { say } from '../texts.js';

const perPage = 100;
const nameOf = (x) => x.name || x.id.slice(0, 12);
const until = (x) => (x.expires ? span(Math.max(0, (Date.parse(x.expires) - Date.now()) / 1000)) : t.never);

export default function Recordings() {
  const all = usePages('/v1/audio'), r = deck.use(current), [text, setText] = useState(''), [most, setMost] = useState(perPage), [busy, setBusy] = useState(false);
  const [error, setError] = useState(null), [sure, setSure] = useState(null);
  const found = (all.list ?? []).filter((x) => nameOf(x).toLowerCase().includes(text.toLowerCase()));
  const attempt = (f) => async () => {
    setError(null);
    setBusy(true);
    try {
      await f();
    } catch (e) {
      setError(e);
    }
    setBusy(false);
  };
  const store = (files) => attempt(async () => {
    for (const file of files) {
      const made = await keep(file);
      all.put({ name: file.name, ...made });
      toast(t.stored(file.name));
    }
  })();
  const remove = (x) => attempt(async () => {
    setSure(null);
    await send(describe('DELETE', audioPath(x.id)));
    all.drop(x.id);
    forget(x.id);
    toast(t.removed(nameOf(x)));
  })();
  const tools = html`<button class="btn" onClick=${() => pickFiles(store)}><${Icon} name="plus" />${t.storeFile}</button>
    ${r?.file && html`<button class="btn" onClick=${() => store([r.file])}>${t.storeDeck}</button>`}`;
  const shown = sure ?? found[0];
  return html`<div class="stack"><${ErrorBox} error=${error ?? all.error} onRetry=${() => all.more()} />${(busy || (!all.list && !all.error)) && html`<${Progress} label=${busy ? t.storing : t.loading} />`}
    ${all.list?.length === 0 ? html`<${Empty} ...${t.empty}>${tools}<//>` : all.list && html`<section class="stack" aria-label=${t.list}>
      <div class="bar"><span class="small faint">${t.count(all.list.length, all.next)}</span><span class="grow"></span>
        <div class="w-13"><input type="search" aria-label=${t.find} placeholder=${t.find} value=${text} onInput=${(e) => setText(e.target.value)} /></div>${tools}</div>
      <div class="panel flush table-wrap"><table aria-label=${t.list}><thead><tr><th>${t.name}</th><th class="num">${t.length}</th><th class="num hide-s">${t.rate}</th><th class="num hide-s">${t.size}</th>
        <th class="num hide-s">${t.used}</th><th class="num hide-s">${t.expires}</th><th><span class="sr">${say.actions}</span></th></tr></thead>
        <tbody>${found.slice(0, most).map((x) => html`<${Row} key=${x.id} x=${x} inDeck=${r?.audioId === x.id} sure=${sure?.id === x.id} setSure=${setSure} remove=${remove} />`)}</tbody></table>
        ${!found.length && html`<p class="muted pad">${t.noMatch}</p>`}</div>
      ${found.length > most && html`<button class="btn" onClick=${() => setMost(most + perPage)}>${say.showMore(found.length - most)}</button>`}
      ${all.next && found.length <= most && html`<button class="btn" onClick=${() => all.more(all.next)}>${t.showMore}</button>`}
      ${shown && html`<${Curl} request=${describe(sure ? 'DELETE' : 'GET', audioPath(shown.id), sure ? {} : { output: nameOf(shown) })} />`}</section>`}
    <${Curl} request=${describe('GET', '/v1/audio')} /></div>`;
}

function Row({ x, inDeck, sure, setSure, remove }) {
  const name = nameOf(x), rate = x.sample_rate ? `${x.sample_rate / 1000} kHz${x.channels ? `, ${say.deck.channels(x.channels)}` : ''}` : '–';
  const actions = sure ? html`<button class="btn small danger" onClick=${() => remove(x)}>${t.remove(name)}</button> <button class="btn small quiet" onClick=${() => setSure(null)}>${say.no}</button>`
    : html`<div class="row end"><button class="btn small" aria-label=${t.put(name)} onClick=${() => loadStored(x)}>${say.deck.put}</button>
      <a class="btn small quiet icon-only hide-s" href=${audioPath(x.id)} download=${name} aria-label=${t.save(name)}><${Icon} name="down" /></a>
      <button class="btn small quiet" aria-label=${t.remove(name)} onClick=${() => setSure(x)}>${t.delete}</button></div>`;
  return html`<tr aria-selected=${inDeck} class=${inDeck ? 'pick' : ''} data-test="recording"><td class="wrap"><b>${name}</b><div class="tiny faint mono">${x.id.slice(0, 12)}</div></td>
    <td class="num">${x.duration ? clock(x.duration, 1) : '–'}</td><td class="num hide-s nowrap">${rate}</td><td class="num hide-s">${bytes(x.size)}</td><td class="num hide-s nowrap">${since(x.last_used)}</td>
    <td class="num hide-s nowrap">${until(x)}</td><td class="num nowrap">${actions}</td></tr>`;
}
