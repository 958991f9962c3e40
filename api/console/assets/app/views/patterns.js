// Patterns: sounds that are taught by examples, detected in the deck's recording, and corrected.
import { html, useState, useEffect, useMemo, useRef, clock, toast, prefs } from '../lib.js';
import { Icon, Curl, ErrorBox, Field, Select, Progress, Pill, RunKey, Empty, useRun } from '../ui.js';
import { describe, send, getJSON } from '../api.js';
import { deck, current, payload, fileOf, setResult, setNotes, useLayer, useLit, playSpan, loadSample, pickFiles } from '../deck.js';
import { t } from '../texts/patterns.js';
import { say } from '../texts.js';

const page = 200, enough = 5, perPage = 100, usual = 0.5;
const pathOf = (id) => `/v1/patterns/${encodeURIComponent(id)}`;
const store = (file) => describe('POST', '/v1/audio', { form: [['file', file]] });
const detection = (audio, pattern, confidence) => describe('POST', '/v1/patterns/detect', {
  json: { recordings: [audio], ...(pattern && { patterns: [pattern] }), ...(confidence !== usual && { min_confidence: confidence }) },
});
const correction = (x, verdict) => describe('POST', `${pathOf(x.pattern)}/feedback`, {
  json: { feedback: [{ audio_id: x.audio_id, start: x.start, end: x.end, verdict }] },
});

function usePatterns() {
  const [list, setList] = useState(null), [next, setNext] = useState(''), [error, setError] = useState(null);
  const more = async (cursor = '') => {
    setError(null);
    try {
      const found = await getJSON(`/v1/patterns?limit=${page}${cursor && `&cursor=${encodeURIComponent(cursor)}`}`);
      setList((old) => (cursor ? [...old, ...found.data] : found.data));
      setNext(found.next ?? '');
    } catch (e) {
      setError(e);
    }
  };
  useEffect(() => { more(); }, []);
  const put = (p) => setList((old) => (old?.some((x) => x.id === p.id) ? old.map((x) => (x.id === p.id ? p : x)) : [p, ...(old ?? [])]));
  return { list, next, error, more, put, drop: (id) => setList((old) => old.filter((x) => x.id !== id)) };
}

export default function Patterns() {
  const d = deck.use(), r = current(d), fresh = useRef(false), all = usePatterns(), list = all.list ?? [], [pick, setPick] = useState(''), [confidence, setConfidence] = useState(usual);
  const [busy, setBusy] = useState(false), [error, setError] = useState(null), found = r?.results.finds, chosen = list.some((p) => p.id === pick) ? pick : '';
  const sent = useMemo(() => r && payload(r), [d.id, d.selection]), ready = r && list.length > 0 && !busy;
  const run = async () => {
    if (!ready) return;
    setBusy(true);
    setError(null);
    try {
      const audio = sent.audioId && !sent.span ? sent.audioId : (await (await send(store(await fileOf(sent)))).json()).id, { detections } = await (await send(detection(audio, chosen, confidence))).json();
      const finds = detections.map((x) => ({ ...x, t0: x.start + sent.offset, t1: x.end + sent.offset })).sort((a, b) => a.t0 - b.t0);
      fresh.current = true;
      setResult(r.id, 'finds', { audio, list: finds.map((x, at) => ({ ...x, at })) });
      setNotes(r.id, 'finds', finds.map(({ t0, t1, label, confidence: c }) => ({ t0, t1, text: `${label} ${c.toFixed(2)}` })));
    } catch (e) {
      setError(e);
    }
    setBusy(false);
  };
  useRun(run, [busy, sent, list, chosen, confidence]);
  useLayer('finds');
  useEffect(() => setError(null), [d.id]);
  return html`<div class="split"><section class="stack loose" aria-label=${t.detections}>
      <${ErrorBox} error=${error} onRetry=${run} />${busy && html`<${Progress} label=${t.busy} />`}
      ${!r ? html`<${Empty} ...${t.empty}><button class="btn primary" onClick=${() => loadSample('sound')}>${say.deck.sample}</button><//>`
    : found && !busy ? html`<${Finds} key=${`${r.id} ${found.audio}`} r=${r} found=${found} fresh=${fresh} onPattern=${all.put} onError=${setError} />`
    : !busy && html`<${Empty} title=${r.name} text=${list.length ? t.ready : t.teachFirst}><//>`}
      <${List} all=${all} /></section>
    <aside class="side first stack" aria-label=${say.form.options}>
      <button class="btn primary wide" onClick=${run} disabled=${!ready} data-test="detect">${d.selection ? t.runSpan : t.run} <${RunKey} /></button>
      <div class="panel stack"><${Field} label=${t.pattern}><${Select} name="pattern" value=${chosen} onChange=${setPick}
          items=${[['', t.every], ...list.map((p) => [p.id, p.name])]} /><//>
        <${Field} label=${t.confidence} hint=${t.confidenceHint} value=${confidence}><input type="range" name="confidence" min="0.05" max="0.95" step="0.05" value=${confidence}
          onInput=${(e) => setConfidence(Number(e.target.value))} /><//></div>
      <${Teach} r=${r} selection=${d.selection} onPattern=${all.put} />
      ${r && html`${sent.file && html`<${Curl} request=${store(sent.file)} />`}<${Curl} request=${detection(found?.audio ?? 'AUDIO_ID', chosen, confidence)} />`}</aside></div>`;
}

/** The detections. In the list, Y and N judge, and arrow keys move. */
function Finds({ r, found, fresh, onPattern, onError }) {
  const box = useRef(), last = useRef(Promise.resolve()), [most, setMost] = useState(perPage), [effect, setEffect] = useState(null), lit = useLit(found.list);
  const mark = (x, verdict) => {
    const now = deck.get().shelf.find((y) => y.id === r.id)?.results.finds;
    if (now) setResult(r.id, 'finds', { ...now, list: now.list.map((y) => (y.at === x.at ? { ...y, verdict } : y)) });
  };
  // One after the other, since each one changes the pattern.
  const judge = (x, verdict) => {
    mark(x, verdict);
    last.current = last.current.then(async () => {
      try {
        const answer = await (await send(correction(x, verdict))).json();
        onPattern(answer.pattern);
        setEffect(answer);
      } catch (e) {
        mark(x, x.verdict);
        onError(e);
      }
    });
  };
  const key = (e) => {
    if (e.ctrlKey || e.metaKey || e.altKey) return;
    const rows = [...box.current.children], i = rows.findIndex((x) => x.contains(document.activeElement));
    const to = { ArrowDown: i + 1, ArrowUp: i - 1, Home: 0, End: rows.length - 1 }[e.key];
    const verdict = prefs.get().keys !== 'off' && { y: 'right', n: 'wrong' }[e.key.toLowerCase()];
    if (to === undefined && !verdict) return;
    e.preventDefault();
    e.stopPropagation();
    const next = found.list[i + 1];
    if (verdict) {
      judge(found.list[i], verdict);
      if (next) playSpan(next.t0, next.t1);
    }
    rows[to ?? i + 1]?.querySelector('button').focus();
  };
  useEffect(() => {
    if (fresh.current) box.current?.querySelector('button')?.focus({ preventScroll: true });
    fresh.current = false;
  }, []);
  const row = (x) => {
    const verdict = (v) => html`<button class="btn small" aria-pressed=${x.verdict === v} aria-label=${t.judge[v](x.label, clock(x.t0))} onClick=${() => judge(x, v)}>${t[v]}</button>`;
    return html`<li class=${`row wrap find ${lit === x.at ? 'lit' : ''}`} data-test="find"><button class="btn small quiet" aria-label=${t.play(x.label, clock(x.t0), clock(x.t1))}
        onClick=${() => playSpan(x.t0, x.t1)}><${Icon} name="play" /><span class="mono">${clock(x.t0)}–${clock(x.t1)}</span></button>
      <span class="grow clip"><b>${x.label}</b> <span class="faint small">${t.score(x.confidence.toFixed(2), x.score.toFixed(2))}</span></span>
      ${verdict('right')}${verdict('wrong')}</li>`;
  };
  const judged = found.list.findLast((x) => x.verdict) ?? found.list[0];
  return html`<section class="stack" aria-label=${t.found}><div class="row wrap"><h2 class="grow">${t.count(found.list.length)}</h2>
      ${found.list.length > 0 && html`<span class="small faint">${t.keys}</span>`}</div>
    ${found.list.length ? html`<ul class="panel flush finds" ref=${box} aria-label=${t.found} onKeyDown=${key}>${found.list.slice(0, most).map(row)}</ul>` : html`<p class="muted">${t.none}</p>`}
    ${found.list.length > most && html`<button class="btn" onClick=${() => setMost(most + perPage)}>${t.showMore(found.list.length - most)}</button>`}
    <p class="small muted" role="status" data-test="effect">${effect && t.effect(effect)}</p>
    ${judged && html`<${Curl} request=${correction(judged, judged.verdict ?? 'right')} />`}</section>`;
}

/** What the server knows, and what is deficient about it. */
function List({ all }) {
  const [sure, setSure] = useState(null), [error, setError] = useState(null), { list } = all;
  const remove = async (p) => {
    setSure(null);
    setError(null);
    try {
      await send(describe('DELETE', pathOf(p.id)));
      all.drop(p.id);
      toast(t.removed(p.name));
    } catch (e) {
      setError(e);
    }
  };
  const row = (p) => html`<tr key=${p.id}><td class="wrap"><b>${p.name}</b> ${p.stale && html`<${Pill} tone="bad" icon="alert">${t.stale}<//>`}
      ${p.examples.length < enough && html`<${Pill} tone="warn" icon="warn">${t.few}<//>`}${p.advice.map((x) => html`<div class="tiny faint">${x}</div>`)}</td>
    <td class="num">${p.examples.length}${p.counter_examples.length > 0 && html`<span class="faint"> / ${p.counter_examples.length}</span>`}</td>
    <td class="num">${p.threshold.value.toFixed(3)}</td><td class="num hide-s">${p.self_test ? t.of(p.self_test.found, p.self_test.examples) : '–'}</td>
    <td class="num hide-s">${t.corrected(p.corrections)}</td><td class="num nowrap">${sure === p.id ? html`<button class="btn small danger" onClick=${() => remove(p)}>${t.sure(p.name)}</button>
      <button class="btn small quiet" onClick=${() => setSure(null)}>${say.no}</button>`
    : html`<button class="btn small quiet" aria-label=${t.remove(p.name)} onClick=${() => setSure(p.id)}>${t.delete}</button>`}</td></tr>`;
  if (all.error) return html`<${ErrorBox} error=${all.error} onRetry=${() => all.more()} />`;
  if (!list) return null;
  if (!list.length) return html`<${Empty} ...${t.noPatterns}><//>`;
  return html`<section class="stack" aria-label=${t.list}><h2>${t.list}</h2><${ErrorBox} error=${error} />
    <div class="panel flush table-wrap"><table><thead><tr><th>${t.pattern}</th><th class="num">${t.examples}</th><th class="num">${t.threshold}</th><th class="num hide-s">${t.selfTest}</th>
      <th class="num hide-s">${t.corrections}</th><th><span class="sr">${say.actions}</span></th></tr></thead><tbody>${list.map(row)}</tbody></table></div>
    ${all.next && html`<button class="btn" onClick=${() => all.more(all.next)}>${say.more}</button>`}
    <${Curl} request=${sure ? describe('DELETE', pathOf(sure)) : describe('GET', '/v1/patterns')} /></section>`;
}

/** Files and selections of the deck that are examples. */
function Files({ label, hint, files, onChange, r, selection, name }) {
  return html`<fieldset class="stack tight" data-test=${name}><legend>${label}</legend>
    ${files.length > 0 && html`<ul class="stack tight">${files.map((f, i) => html`<li class="row small"><span class="grow clip">${f.name}</span><button type="button" class="btn small quiet icon-only"
      aria-label=${t.leaveOut(f.name)} onClick=${() => onChange(files.filter((x, j) => j !== i))}><${Icon} name="close" /></button></li>`)}</ul>`}
    <div class="row wrap"><button type="button" class="btn small" onClick=${() => pickFiles((more) => onChange([...files, ...more]))}><${Icon} name="plus" />${t.files}</button>
      ${r && html`<button type="button" class="btn small" onClick=${async () => onChange([...files, await fileOf(payload(r))])}>${selection ? t.selection : t.recording}</button>`}</div>
    ${hint && html`<span class="tiny faint">${hint}</span>`}</fieldset>`;
}

function Teach({ r, selection, onPattern }) {
  const [name, setName] = useState(''), [examples, setExamples] = useState([]), [against, setAgainst] = useState([]), [busy, setBusy] = useState(false), [error, setError] = useState(null);
  const request = describe('POST', '/v1/patterns', { form: [['name', name.trim()], ...examples.map((f) => ['examples', f]), ...against.map((f) => ['counter_examples', f])] });
  const teach = async (e) => {
    e.preventDefault();
    setBusy(true);
    setError(null);
    try {
      const p = await (await send(request)).json();
      onPattern(p);
      setName('');
      setExamples([]);
      setAgainst([]);
      toast(t.taught(p.name));
    } catch (x) {
      setError(x);
    }
    setBusy(false);
  };
  const files = { r, selection };
  return html`<form class="panel stack" aria-label=${t.teach} onSubmit=${teach}><h2>${t.teach}</h2>
    <${Field} label=${t.name}><input type="text" name="name" maxlength="128" autocomplete="off" placeholder=${t.nameExample} value=${name} onInput=${(e) => setName(e.target.value)} /><//>
    <${Files} ...${files} name="examples" label=${t.examples} hint=${examples.length < enough ? t.need(examples.length, enough) : ''} files=${examples} onChange=${setExamples} />
    <details><summary>${t.against}</summary><${Files} ...${files} name="against" label=${t.againstLabel} files=${against} onChange=${setAgainst} /></details>
    <${ErrorBox} error=${error} />${busy && html`<${Progress} label=${t.teaching} />`}
    <button class="btn" disabled=${busy || !name.trim() || !examples.length} data-test="teach">${t.teachRun}</button>
    ${examples.length > 0 && html`<${Curl} request=${request} />`}</form>`;
}
