// What the server measures in the recording, and its picture.
import { html, useState, useMemo, useEffect, download, stem } from '../lib.js';
import { Icon, Curl, ErrorBox, Field, Select, Progress, RunKey, Empty, useRun } from '../ui.js';
import { send } from '../api.js';
import { deck, current, payload, setResult, setNotes, useLayer, loadSample } from '../deck.js';
import { tasks, taskOf, taskRequest } from '../tasks.js';
import { Parameters, labelOf } from '../forms.js';
import { t } from '../texts/measure.js';
import { say } from '../texts.js';

const width = 1200, height = 360;
const isDark = () => (document.documentElement.dataset.theme ?? (matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light')) === 'dark';
const file = (params, name) => `${stem(name)}-${params.kind}.png`;

export default function Measure() {
  const d = deck.use(), r = current(d), list = tasks.use((x) => x.list), analyze = taskOf('analyze', list), draw = taskOf('draw', list);
  const [params, setParams] = useState({}), [picture, setPicture] = useState({ kind: 'spectrogram' });
  const [busy, setBusy] = useState(false), [error, setError] = useState(null), about = useMemo(() => payload(r), [r, d.selection]);
  const request = useMemo(() => about && analyze && taskRequest(analyze, { params, audio: about }), [about, analyze, params]);
  const run = async () => {
    if (!request || busy) return;
    setBusy(true);
    setError(null);
    try {
      const look = { ...picture, width, height, theme: isDark() ? 'dark' : 'light' };
      const drawing = taskRequest(draw, { params: look, audio: about, headers: { Accept: 'image/png' } });
      const [numbers, image] = await Promise.all([send(request).then((a) => a.json()), send(drawing).then((a) => a.blob())]);
      setResult(r.id, 'measured', { numbers, image, look, span: about.span });
      setNotes(r.id, 'measured', (numbers.silence?.segments ?? []).map((x) => ({ t0: x.start + about.offset, t1: x.end + about.offset, text: t.silence })));
    } catch (e) {
      setError(e);
    }
    setBusy(false);
  };
  useRun(run);
  useLayer('measured');
  if (!r) return html`<${Empty} ...${t.empty}><button class="btn primary" onClick=${() => loadSample('speech')}>${say.deck.sample}</button><//>`;
  const out = r.results.measured;
  return html`<div class="split"><section class="stack" aria-label=${t.result}>
    <${ErrorBox} error=${error} onRetry=${run} />${busy && html`<${Progress} label=${t.busy} />`}
    ${out ? html`<${Picture} image=${out.image} look=${out.look} name=${r.name} /><${Numbers} value=${out.numbers} />` : !busy && html`<${Empty} ...${t.ready}><//>`}
  </section><aside class="side first stack" aria-label=${say.form.options}>
    <button class="btn primary wide" onClick=${run} disabled=${busy || !request || !draw} data-test="measure">${d.selection ? t.runSpan : t.run} <${RunKey} /></button>
    <div class="panel stack"><${Parameters} task=${draw} values=${picture} onChange=${(v) => setPicture({ kind: 'waveform', ...v })} first=${['kind']}
      hide=${hidden(picture.kind)} /></div>
    <div class="panel stack"><${Parameters} task=${analyze} values=${params} onChange=${setParams} hide=${['series', 'strict']} /></div>
    ${request && html`<${Curl} request=${request} />`}</aside></div>`;
}

/** The parameters of pictures that the view sets, or that the kind does not have. */
const spectral = ['frequency_scale', 'min_frequency', 'max_frequency', 'colors', 'window', 'reduce'];
const hidden = (kind) => ['format', 'width', 'height', 'theme', 'axes', 'strict', ...(kind === 'spectrogram' ? [] : spectral),
  ...(kind === 'waveform' ? ['floor_db', 'ceiling_db'] : []), ...(kind === 'loudness' ? ['channels'] : [])];

function Picture({ image, look, name }) {
  const url = useMemo(() => URL.createObjectURL(image), [image]);
  useEffect(() => () => URL.revokeObjectURL(url), [url]);
  return html`<figure class="panel flush picture"><img src=${url} width=${look.width} height=${look.height} alt=${t.alt(labelOf(look.kind), name)} data-test="picture" /></figure>
    <div class="row end"><button class="btn small" onClick=${() => download(image, file(look, name))}><${Icon} name="down" />${say.save}</button></div>`;
}

const units = { dbfs: 'dBFS', lufs: 'LUFS', lu: 'LU', dbtp: 'dBTP', db: 'dB', hz: 'Hz', bpm: 'BPM' };
/** Rows of a name, a value and a unit for a part of the result. */
function rowsOf(value, prefix = '') {
  return Object.entries(value).flatMap(([name, v]) => {
    const key = prefix ? `${prefix} ${name}` : name, last = name.split('_').at(-1), unit = units[last] ?? '';
    if (Array.isArray(v)) return [[key, t.values(v.length), '']];
    if (v && typeof v === 'object') return rowsOf(v, key);
    const text = v === null ? '–' : typeof v === 'number' && !Number.isInteger(v) ? String(Number(v.toPrecision(4))) : String(v);
    return [[unit && last !== name ? key.slice(0, -last.length - 1) : key, text, unit]];
  });
}

function Numbers({ value }) {
  const parts = Object.entries(value).map(([name, v]) => [name, Array.isArray(v) ? [[name, t.values(v.length), '']] : rowsOf(v)]);
  return html`<div class="panel flush table-wrap"><table data-test="numbers"><thead><tr><th>${t.what}</th><th class="num">${t.value}</th><th>${t.unit}</th></tr></thead>
    ${parts.map(([name, rows]) => html`<tbody key=${name}><tr><th colspan="3" scope="rowgroup">${t.parts[name] ?? labelOf(name)}</th></tr>
      ${rows.map(([key, text, unit]) => html`<tr><td>${labelOf(key)}</td><td class="num">${text}</td><td class="muted">${unit}</td></tr>`)}</tbody>`)}</table></div>`;
}
