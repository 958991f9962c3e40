// Search in stored recordings by a span, a pattern or a text.
import { html, useState, useMemo, clock } from '../lib.js';
import { Icon, Curl, ErrorBox, Field, Select, Segments, Progress, RunKey, Empty, useRun } from '../ui.js';
import { describe, send, getJSON } from '../api.js';
import { deck, current, loadStored, playSpan, select, setView } from '../deck.js';
import { idOf } from '../stored.js';
import { t } from '../texts/patterns.js';
import { say } from '../texts.js';

const mostStored = 100, longest = 600; // recordings that one search adds to the index, and seconds of each: an index of hours takes minutes
const query = ({ by, span, pattern, text, recordings, limit }) => describe('POST', '/v1/patterns/search', {
  json: { ...(by === 'span' && { span }), ...(by === 'pattern' && { pattern }), ...(by === 'text' && { text }), ...(recordings && { recordings }), ...(limit !== 20 && { limit }) },
});

export function Search({ list, head }) {
  const d = deck.use(), r = current(d), [by, setBy] = useState(r ? 'span' : 'text'), [pattern, setPattern] = useState(''), [text, setText] = useState(''), [where, setWhere] = useState('stored'), [limit, setLimit] = useState(20);
  const [busy, setBusy] = useState(false), [error, setError] = useState(null), [found, setFound] = useState(null), sel = d.selection;
  const ready = !busy && (by === 'span' ? r : by === 'pattern' ? list.length : text.trim());
  const about = { by, pattern: pattern || list[0]?.id, text: text.trim(), limit, span: { audio_id: r?.audioId ?? r?.kept ?? 'AUDIO_ID', ...(sel && { start: sel.t0, end: sel.t1 }) } };
  const shown = useMemo(() => query({ ...about, recordings: where === 'deck' ? [about.span.audio_id] : undefined }), [by, pattern, text, where, limit, sel, r, list.length]);
  const run = async () => {
    if (!ready) return;
    setBusy(true);
    setError(null);
    try {
      const id = r && (by === 'span' || where === 'deck') ? await idOf(r) : null;
      const stored = async () => (await getJSON(`/v1/audio?limit=${mostStored}`)).data.filter((x) => x.duration > 0 && x.duration <= longest).map((x) => x.id); // what is no sound has no duration
      const recordings = where === 'stored' ? await stored() : where === 'deck' && id ? [id] : undefined;
      setFound(await (await send(query({ ...about, span: { ...about.span, audio_id: id }, recordings }))).json());
    } catch (e) {
      setError(e);
    }
    setBusy(false);
  };
  useRun(run);
  return html`<div class="split"><section class="stack" aria-label=${t.hits}><${ErrorBox} error=${error} onRetry=${run} />${busy && html`<${Progress} label=${t.busy} />`}
      ${found ? html`<${Hits} found=${found} r=${r} />` : !busy && html`<${Empty} ...${t.searchReady}><//>`}</section>
    <aside class="side first stack" aria-label=${say.form.options}><button class="btn primary wide" onClick=${run} disabled=${!ready} data-test="search">${t.searchRun} <${RunKey} /></button>
      <div class="panel stack">${head}<${Segments} label=${t.by} value=${by} onChange=${setBy} items=${t.bys} />
        ${by === 'span' && html`<p class="small muted">${!r ? t.needsSpan : sel ? t.spanIs(clock(sel.t0), clock(sel.t1)) : t.wholeIs(r.name)}</p>`}
        ${by === 'pattern' && html`<${Field} label=${t.pattern}><${Select} name="search-pattern" value=${about.pattern ?? ''} onChange=${setPattern} items=${list.map((p) => [p.id, p.name])} /><//>`}
        ${by === 'text' && html`<${Field} label=${t.text}><input type="text" name="search-text" maxlength="1024" placeholder=${t.textExample} value=${text} onInput=${(e) => setText(e.target.value)} /><//>`}
        <${Field} label=${t.where} hint=${where === 'stored' ? t.whereHint : undefined}><${Select} name="where" value=${where} onChange=${setWhere} items=${t.wheres.filter(([id]) => id !== 'deck' || r)} /><//>
        <${Field} label=${t.limit}><input type="number" name="limit" min="1" max="200" value=${limit} onInput=${(e) => setLimit(Number(e.target.value) || 20)} /><//></div>
      <${Curl} request=${shown} /></aside></div>`;
}

function Hits({ found, r }) {
  const open = async (x) => {
    const here = r && (r.audioId === x.audio_id || r.kept === x.audio_id) ? r : await loadStored({ id: x.audio_id });
    if (!here) return;
    select({ t0: x.start, t1: x.end });
    const room = Math.max(1, 2 * (x.end - x.start));
    if (here.duration > 60) setView(x.start - room, x.end + room);
    playSpan(x.start, x.end);
  };
  const row = (x) => html`<li class="row wrap spot" data-test="hit"><button class="btn small quiet" aria-label=${t.playHit(x.audio_id.slice(0, 8), clock(x.start), clock(x.end))} onClick=${() => open(x)}><${Icon} name="play" />
      <span class="mono">${clock(x.start)}–${clock(x.end)}</span></button><span class="grow clip"><b>${x.unknown ? t.unknown : x.patterns.map((p) => p.name).join(', ')}</b> <span class="faint small mono">${x.audio_id.slice(0, 12)}</span></span>
      <span class="num small">${x.score.toFixed(3)}</span></li>`;
  return html`<h2>${t.hitCount(found.hits.length, found.searched)}</h2>${found.hits.length ? html`<ul class="panel flush finds" aria-label=${t.hits}>${found.hits.map(row)}</ul>` : html`<p class="muted">${t.noHits}</p>`}`;
}
