// The patterns that the server knows: what is deficient, names, relations, export and import.
import { html, useState, useEffect, download, toast, go } from '../lib.js';
import { Icon, Curl, ErrorBox, Pill, Empty, Progress, Field } from '../ui.js';
import { describe, send, getJSON } from '../api.js';
import { pickFiles } from '../deck.js';
import { submitRequest } from '../jobs.js';
import { pathOf } from './patterns-finds.js';
import { enough } from './patterns-teach.js';
import { t } from '../texts/patterns.js';
import { say } from '../texts.js';

const perPage = 50;
const exported = (id) => describe('GET', `/v1/patterns/export${id ? `?pattern=${encodeURIComponent(id)}` : ''}`, { output: 'patterns.jsonl' });
const imported = (file, dry) => describe('POST', '/v1/patterns/import', { form: [['file', file], ...(dry ? [['dry_run', 'true']] : [])] });

export function List({ all, selected }) {
  const [text, setText] = useState(''), [most, setMost] = useState(perPage), [error, setError] = useState(null), [incoming, setIncoming] = useState(null), [busy, setBusy] = useState(false), { list } = all;
  const attempt = async (f) => {
    setBusy(true);
    setError(null);
    try {
      await f();
    } catch (e) {
      setError(e);
    }
    setBusy(false);
  };
  const save = () => attempt(async () => download(await (await send(exported())).blob(), 'patterns.jsonl'));
  const preview = (file) => attempt(async () => {
    const answer = await (await send(imported(file, true))).json();
    setIncoming({ file, answer, patterns: (await file.text()).split('\n').filter((line) => line.slice(0, 60).includes('"type":"pattern"')).length });
  });
  const bring = () => attempt(async () => {
    const { patterns } = await (await send(imported(incoming.file))).json();
    patterns.forEach(all.put);
    setIncoming(null);
    toast(t.imported(patterns.length));
  });
  const stale = (list ?? []).filter((p) => p.stale);
  const anew = () => attempt(async () => {
    await submitRequest(describe('POST', '/v1/jobs', { json: { task: 'reembed', params: { patterns: stale.map((p) => p.id) } } }));
    toast(t.anewBegun);
  });
  const choose = () => pickFiles(([f]) => f && preview(f), '.jsonl,.ndjson,application/x-ndjson');
  const tools = html`<button class="btn small" onClick=${choose}>${t.import}</button>`;
  const found = (list ?? []).filter((p) => p.name.toLowerCase().includes(text.toLowerCase())), open = list?.find((p) => p.id === selected);
  if (all.error) return html`<${ErrorBox} error=${all.error} onRetry=${() => all.more()} />`;
  if (!list) return null;
  return html`<section class="stack" aria-label=${t.list}><${ErrorBox} error=${error} />${busy && html`<${Progress} label=${t.working} />`}
    ${incoming && html`<div class="panel stack tight" role="group" aria-label=${t.import}><p>${t.incoming(incoming.patterns, incoming.answer.recordings, incoming.file.name)}</p>
      <div class="row"><button class="btn primary" data-test="import" onClick=${bring}>${t.importNow}</button><button class="btn quiet" onClick=${() => setIncoming(null)}>${say.no}</button></div>
      <${Curl} request=${imported(incoming.file)} /></div>`}
    ${!list.length ? html`<${Empty} ...${t.noPatterns}>${tools}<//>` : html`<div class="bar"><h2>${t.list}</h2><span class="small faint">${list.length}${all.next ? '+' : ''}</span><span class="grow"></span>
      <div class="w-13"><input type="search" aria-label=${t.findOne} placeholder=${t.findOne} value=${text} onInput=${(e) => setText(e.target.value)} /></div>
      ${stale.length > 0 && html`<button class="btn small" onClick=${anew}>${t.anew(stale.length)}</button>`}<button class="btn small" onClick=${save}>${t.exportAll}</button>${tools}</div>
    <div class=${open ? 'split' : ''}><div class="panel flush table-wrap"><table><thead><tr><th>${t.pattern}</th><th class="num">${t.examples}</th><th class="num">${t.threshold}</th><th class="num hide-s">${t.selfTest}</th>
      <th class="num hide-s">${t.corrections}</th></tr></thead><tbody>${found.slice(0, most).map((p) => html`<${Row} key=${p.id} p=${p} selected=${p.id === selected} />`)}</tbody></table></div>
      ${open && html`<${Detail} key=${open.id} p=${open} all=${all} />`}</div>
    ${found.length > most && html`<button class="btn" onClick=${() => setMost(most + perPage)}>${say.showMore(found.length - most)}</button>`}
    <${Curl} request=${exported()} />`}</section>`;
}

function Row({ p, selected }) {
  return html`<tr class="pick" aria-selected=${selected} onClick=${() => go(`patterns/${p.id}`)}><td class="wrap"><a class="title" href=${`#/patterns/${p.id}`} onClick=${(e) => e.stopPropagation()}>${p.name}</a>
      ${p.stale && html`<${Pill} tone="bad" icon="alert">${t.stale}<//>`} ${p.examples.length < enough && html`<${Pill} tone="warn" icon="warn">${t.few}<//>`}${p.advice.map((x) => html`<div class="tiny faint">${x}</div>`)}</td>
    <td class="num">${p.examples.length}${p.counter_examples.length > 0 && html`<span class="faint"> / ${p.counter_examples.length}</span>`}</td>
    <td class="num">${p.threshold.value.toFixed(3)}</td><td class="num hide-s">${p.self_test ? t.of(p.self_test.found, p.self_test.examples) : '–'}</td>
    <td class="num hide-s">${t.corrected(p.corrections)}</td></tr>`;
}

/** One pattern: its name, its relations, its export and its end. */
function Detail({ p, all }) {
  const [name, setName] = useState(p.name), [sure, setSure] = useState(false), [error, setError] = useState(null), [relations, setRelations] = useState(null);
  const renamed = describe('PATCH', pathOf(p.id), { json: { name: name.trim() } }), removal = describe('DELETE', pathOf(p.id)), related = describe('GET', `${pathOf(p.id)}/relations`);
  useEffect(() => { getJSON(related.path).then(setRelations, setError); }, [p.id]);
  const attempt = async (f) => {
    setError(null);
    try {
      await f();
    } catch (e) {
      setError(e);
    }
  };
  const rename = (e) => {
    e.preventDefault();
    attempt(async () => {
      all.put(await (await send(renamed)).json());
      toast(t.renamed(name.trim()));
    });
  };
  const remove = () => attempt(async () => {
    await send(removal);
    all.drop(p.id);
    go('patterns');
    toast(t.removed(p.name));
  });
  const save = () => attempt(async () => download(await (await send(exported(p.id))).blob(), `${p.name}.jsonl`));
  return html`<aside class="side stack" aria-label=${t.one(p.name)}><div class="panel stack"><div class="row"><h2 class="grow clip">${p.name}</h2>
      <a class="btn small quiet icon-only" href="#/patterns" aria-label=${say.close}><${Icon} name="close" /></a></div><${ErrorBox} error=${error} />
      <form class="stack tight" onSubmit=${rename}><${Field} label=${t.name}><input type="text" name="rename" maxlength="128" autocomplete="off" value=${name} onInput=${(e) => setName(e.target.value)} /><//>
        <div class="row"><button class="btn small" disabled=${!name.trim() || name.trim() === p.name}>${t.rename}</button><button type="button" class="btn small" onClick=${save}>${t.export}</button>
        ${!sure && html`<button type="button" class="btn small quiet" aria-label=${t.remove(p.name)} onClick=${() => setSure(true)}>${t.delete}</button>`}</div></form>
      ${sure && html`<div class="row"><button class="btn small danger" onClick=${remove}>${t.sure(p.name)}</button><button class="btn small quiet" onClick=${() => setSure(false)}>${say.no}</button></div>`}
      ${relations && html`<${Relations} of=${relations} />`}</div>
    <${Curl} request=${sure ? removal : name.trim() !== p.name ? renamed : related} /></aside>`;
}

function Relations({ of }) {
  const rows = of.relations.slice(0, 20);
  return html`<h3>${t.relations}</h3><p class="small muted">${t.foundIn(of.detections, of.recordings)}</p>${rows.length ? html`<ul class="stack tight" data-test="relations">${rows.map((x) => html`<li class="small"><a href=${`#/patterns/${x.id}`}>${x.name}</a>
    <span class="faint block">${t.relation(x, of.within)}</span></li>`)}</ul>` : html`<p class="small muted">${t.noRelations}</p>`}`;
}
