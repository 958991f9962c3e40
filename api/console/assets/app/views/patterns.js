// Patterns: sounds that are taught by examples, detected in the deck's recording, and corrected.
import { html, useState, useEffect, useLayoutEffect, useMemo, useRef } from '../lib.js';
import { Curl, ErrorBox, Field, Select, Segments, Progress, RunKey, Empty, useRun } from '../ui.js';
import { describe, send } from '../api.js';
import { deck, current, payload, fileOf, setResult, setNotes, useLayer, loadSample } from '../deck.js';
import { idOf } from '../stored.js';
import { usePages } from '../pages.js';
import { Finds, noteOf } from './patterns-finds.js';
import { List } from './patterns-list.js';
import { Search } from './patterns-search.js';
import { Teach } from './patterns-teach.js';
import { t } from '../texts/patterns.js';
import { say } from '../texts.js';

const usual = 0.5, most = 5000; // patterns that are loaded
const store = (file) => describe('POST', '/v1/audio', { form: [['file', file]] });
const detection = (audio, pattern, confidence) => describe('POST', '/v1/patterns/detect', {
  json: { recordings: [audio], ...(pattern && { patterns: [pattern] }), ...(confidence !== usual && { min_confidence: confidence }) },
});

/** All patterns: the first page, then the others at once. */
function usePatterns() {
  const all = usePages('/v1/patterns');
  useLayoutEffect(() => { if (all.next && all.list.length < most) all.more(all.next, most - all.list.length); }, [all.next]);
  return all;
}

export default function Patterns({ rest }) {
  const all = usePatterns(), list = all.list ?? [], [mode, setMode] = useState('detect');
  const head = html`<${Segments} label=${t.mode} value=${mode} onChange=${setMode} items=${t.modes} />`;
  return html`<div class="stack loose">${mode === 'detect' ? html`<${Detect} all=${all} list=${list} head=${head} />` : html`<${Search} list=${list} head=${head} />`}
    <${List} all=${all} selected=${rest} /></div>`;
}

function Detect({ all, list, head }) {
  const d = deck.use(), r = current(d), fresh = useRef(false), [pick, setPick] = useState(''), [confidence, setConfidence] = useState(usual);
  const [busy, setBusy] = useState(false), [error, setError] = useState(null), found = r?.results.finds, chosen = list.some((p) => p.id === pick) ? pick : '';
  const sent = useMemo(() => r && payload(r), [d.id, d.selection]), ready = r && list.length > 0 && !busy;
  const run = async () => {
    if (!ready) return;
    setBusy(true);
    setError(null);
    try {
      const audio = sent.span ? (await (await send(store(await fileOf(sent)))).json()).id : await idOf(r), { detections } = await (await send(detection(audio, chosen, confidence))).json();
      const finds = detections.map((x) => ({ ...x, t0: x.start + sent.offset, t1: x.end + sent.offset })).sort((a, b) => a.t0 - b.t0);
      fresh.current = true;
      setResult(r.id, 'finds', { audio, list: finds.map((x, at) => ({ ...x, at })) });
      setNotes(r.id, 'finds', finds.map(noteOf));
    } catch (e) {
      setError(e);
    }
    setBusy(false);
  };
  useRun(run);
  useLayer('finds');
  useEffect(() => setError(null), [d.id]);
  return html`<div class="split"><section class="stack loose" aria-label=${t.detections}>
      <${ErrorBox} error=${error} onRetry=${run} />${busy && html`<${Progress} label=${t.busy} />`}
      ${!r ? html`<${Empty} ...${t.empty}><button class="btn primary" onClick=${() => loadSample('sound')}>${say.deck.sample}</button><//>`
    : found && !busy ? html`<${Finds} key=${`${r.id} ${found.audio}`} r=${r} found=${found} fresh=${fresh} onPattern=${all.put} onError=${setError} />`
    : !busy && html`<${Empty} title=${r.name} text=${list.length ? t.ready : t.teachFirst}><//>`}</section>
    <aside class="side first stack" aria-label=${say.form.options}>
      <button class="btn primary wide" onClick=${run} disabled=${!ready} data-test="detect">${d.selection ? t.runSpan : t.run} <${RunKey} /></button>
      <div class="panel stack">${head}<${Field} label=${t.pattern}><${Select} name="pattern" value=${chosen} onChange=${setPick}
          items=${[['', t.every], ...list.map((p) => [p.id, p.name])]} /><//>
        <${Field} label=${t.confidence} hint=${t.confidenceHint} value=${confidence}><input type="range" name="confidence" min="0.05" max="0.95" step="0.05" value=${confidence}
          onInput=${(e) => setConfidence(Number(e.target.value))} /><//></div>
      <${Teach} r=${r} selection=${d.selection} onPattern=${all.put} />
      ${r && html`${sent.file && html`<${Curl} request=${store(sent.file)} />`}<${Curl} request=${detection(found?.audio ?? 'AUDIO_ID', chosen, confidence)} />`}</aside></div>`;
}
