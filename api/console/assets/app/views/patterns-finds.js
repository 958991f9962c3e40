// The detections of patterns: judged by button and by key, their edges moved, and what a verdict would change.
import { html, useState, useEffect, useRef, clock, clamp, prefs } from '../lib.js';
import { Icon, Curl } from '../ui.js';
import { describe, send } from '../api.js';
import { deck, setResult, setNotes, select, useLit, playSpan } from '../deck.js';
import { t } from '../texts/patterns.js';
import { say } from '../texts.js';

const perPage = 100, step = 0.02; // seconds by which a key moves an edge
export const pathOf = (id) => `/v1/patterns/${encodeURIComponent(id)}`;
const correction = (x, verdict, edges, dry) => describe('POST', `${pathOf(x.pattern)}/feedback`, {
  json: { feedback: [{ audio_id: x.audio_id, start: x.start, end: x.end, verdict, ...(edges && { new_start: edges.start, new_end: edges.end }) }], ...(dry && { dry_run: true }) },
});
export const noteOf = ({ t0, t1, label, confidence: c }) => ({ t0, t1, text: `${label} ${c.toFixed(2)}` });

/** In the list, Y and N judge, E moves the edges, and arrow keys move. */
export function Finds({ r, found, fresh, onPattern, onError }) {
  const box = useRef(), last = useRef(Promise.resolve()), [most, setMost] = useState(perPage), [effect, setEffect] = useState(null), lit = useLit(found.list);
  const [first, setFirst] = useState(false), [asked, setAsked] = useState(null), [moving, setMoving] = useState(null);
  const put = (x, more) => {
    const now = deck.get().shelf.find((y) => y.id === r.id)?.results.finds;
    if (!now) return;
    const list = now.list.map((y) => (y.at === x.at ? { ...y, ...more } : y));
    setResult(r.id, 'finds', { ...now, list });
    setNotes(r.id, 'finds', list.map(noteOf));
  };
  const offset = (x) => x.t0 - (x.moved?.start ?? x.start);
  // One after the other, since each one changes the pattern.
  const apply = (x, verdict, edges) => {
    const places = edges && { t0: edges.start + offset(x), t1: edges.end + offset(x), moved: edges };
    put(x, { verdict, ...places });
    setAsked(null);
    last.current = last.current.then(async () => {
      try {
        const answer = await (await send(correction(x, verdict, edges))).json();
        onPattern(answer.pattern);
        setEffect(answer);
      } catch (e) {
        put(x, x);
        onError(e);
      }
    });
  };
  const preview = async (x, verdict, edges) => {
    try {
      setAsked({ x, verdict, edges, effect: await (await send(correction(x, verdict, edges, true))).json() });
    } catch (e) {
      onError(e);
    }
  };
  const judge = first ? preview : apply;
  const begin = (x) => {
    setMoving(x.at);
    select({ t0: x.t0, t1: x.t1 });
  };
  const end = (x, save) => {
    const sel = deck.get().selection;
    setMoving(null);
    select(null);
    if (save && sel) judge(x, 'moved', { start: Math.max(0, sel.t0 - offset(x)), end: sel.t1 - offset(x) });
    box.current?.children[found.list.indexOf(x)]?.querySelector('button').focus();
  };
  const key = keysOf({ box, found, moving, judge, begin, end, r });
  useEffect(() => {
    if (fresh.current) box.current?.querySelector('button')?.focus({ preventScroll: true });
    fresh.current = false;
  }, []);
  const row = (x) => html`<${Find} key=${x.at} x=${x} lit=${lit === x.at} moving=${moving === x.at} judge=${judge} begin=${begin} end=${end} />`;
  const judged = found.list.findLast((x) => x.verdict) ?? found.list[0];
  return html`<section class="stack" aria-label=${t.found}><div class="row wrap"><h2 class="grow">${t.count(found.list.length)}</h2>
      ${found.list.length > 0 && html`<label class="check small"><input type="checkbox" name="preview" checked=${first} onChange=${(e) => setFirst(e.target.checked)} />${t.previewFirst}</label>
        <span class="small faint">${t.keys}</span>`}</div>
    ${found.list.length ? html`<ul class="panel flush finds" ref=${box} aria-label=${t.found} onKeyDown=${key}>${found.list.slice(0, most).map(row)}</ul>` : html`<p class="muted">${t.none}</p>`}
    ${found.list.length > most && html`<button class="btn" onClick=${() => setMost(most + perPage)}>${say.showMore(found.list.length - most)}</button>`}
    ${asked && html`<${Asked} asked=${asked} apply=${apply} cancel=${() => setAsked(null)} />`}
    <p class="small muted" role="status" data-test="effect">${effect && t.effect(effect)}</p>
    ${judged && html`<${Curl} request=${correction(judged, judged.verdict ?? 'right', judged.moved, first)} />`}</section>`;
}

/** The keys of the list. While edges are moved, arrows move them. */
const keysOf = ({ box, found, moving, judge, begin, end, r }) => (e) => {
  if (e.ctrlKey || e.metaKey || e.altKey) return;
  const rows = [...box.current.children], i = rows.findIndex((x) => x.contains(document.activeElement)), x = found.list[i], letters = prefs.get().keys !== 'off', k = e.key.toLowerCase();
  if (moving !== null && x?.at === moving) {
    const by = { ArrowLeft: -step, ArrowRight: step }[e.key], sel = deck.get().selection;
    if (by && sel) select(e.shiftKey ? { ...sel, t1: clamp(sel.t1 + by, sel.t0 + step, r.duration) } : { ...sel, t0: clamp(sel.t0 + by, 0, sel.t1 - step) });
    else if (e.key === 'Escape') end(x, false);
    else if (e.key === 'Enter') end(x, true);
    else return;
    e.preventDefault();
    e.stopPropagation();
    return;
  }
  const to = { ArrowDown: i + 1, ArrowUp: i - 1, Home: 0, End: rows.length - 1 }[e.key], verdict = letters && { y: 'right', n: 'wrong' }[k];
  if (to === undefined && !verdict && !(letters && k === 'e' && x)) return;
  e.preventDefault();
  e.stopPropagation();
  if (letters && k === 'e') {
    begin(x);
    return;
  }
  const next = found.list[i + 1];
  if (verdict) {
    judge(x, verdict);
    if (next) playSpan(next.t0, next.t1);
  }
  rows[to ?? i + 1]?.querySelector('button').focus();
};

function Find({ x, lit, moving, judge, begin, end }) {
  const verdict = (v) => html`<button class="btn small" aria-pressed=${x.verdict === v} aria-label=${t.judge[v](x.label, clock(x.t0))} onClick=${() => judge(x, v)}>${t[v]}</button>`;
  return html`<li class=${`row wrap spot ${lit ? 'lit' : ''}`} data-test="find"><button class="btn small quiet" aria-label=${t.play(x.label, clock(x.t0), clock(x.t1))}
      onClick=${() => playSpan(x.t0, x.t1)}><${Icon} name="play" /><span class="mono">${clock(x.t0)}–${clock(x.t1)}</span></button>
    <span class="grow clip"><b>${x.label}</b> <span class="faint small">${t.score(x.confidence.toFixed(2), x.score.toFixed(2))}</span></span>
    ${moving ? html`<${Edges} x=${x} end=${end} />` : html`${verdict('right')}${verdict('wrong')}<button class="btn small" aria-pressed=${x.verdict === 'moved'} aria-label=${t.edgesOf(x.label, clock(x.t0))}
      onClick=${() => begin(x)}>${t.edges}</button>`}</li>`;
}

/** The edges as the deck's selection has them: by its handles, or by arrow keys. */
function Edges({ x, end }) {
  const sel = deck.use((s) => s.selection), ref = useRef();
  useEffect(() => { ref.current.focus(); }, []);
  return html`<span class="mono small" data-test="edges">${sel ? `${clock(sel.t0)}–${clock(sel.t1)}` : t.noEdges}</span><span class="small faint hide-s">${t.edgeKeys}</span>
    <button class="btn small primary" ref=${ref} disabled=${!sel} onClick=${() => end(x, true)}>${t.saveEdges}</button><button class="btn small quiet" onClick=${() => end(x, false)}>${say.no}</button>`;
}

/** What a verdict would change, before it is given. */
function Asked({ asked: { x, verdict, edges, effect }, apply, cancel }) {
  const ref = useRef();
  useEffect(() => { ref.current.focus(); }, [effect]);
  return html`<div class="panel stack tight" role="group" aria-label=${t.preview}><p>${t.would(effect)}</p>
    <ul class="small muted">${effect.changed.slice(0, 8).map((c) => html`<li>${t.changes(clock(c.start), clock(c.end), c.after)}</li>`)}</ul>
    <div class="row"><button class="btn primary" ref=${ref} data-test="apply" onClick=${() => apply(x, verdict, edges)}>${t.apply}</button><button class="btn quiet" onClick=${cancel}>${say.no}</button></div></div>`;
}
