// The plots of the system view, by uPlot, which is loaded with the first plot. Their cursors move together.
import { html, useEffect, useRef, useState, bytes, span, timeOf } from '../lib.js';
import { ink } from '../paint.js';
import { plots as t } from '../texts/system.js';

const seconds = (v) => (v === 0 ? '0' : span(v));
const colours = ['--series-1', '--series-2', '--series-3', '--series-4'];

export function Plots({ samples, forecast }) {
  const x = samples.map((p) => Date.parse(p.at) / 1000), names = [...new Set(samples.flatMap((p) => p.services.map((v) => v.name)))];
  const per = (f) => names.map((n) => samples.map((p) => f(p.services.find((v) => v.name === n)) ?? null));
  const memory = forecast?.series?.find((f) => f.series === 'memory_bytes' && f.known), queue = forecast?.series?.filter((f) => f.series === 'queue_tasks' && f.known) ?? [];
  const queued = queue.reduce((sum, f) => f.ahead.map((a, i) => ({ minutes: a.minutes, value: (sum[i]?.value ?? 0) + a.value })), []);
  return html`<section class="plots" aria-label=${t.title}>
    <${Plot} title=${t.cpu} x=${x} ys=${[samples.map((p) => p.cpu_cores)]} names=${[t.cores]} form=${(v) => v.toFixed(2)} floor=${1} fill />
    <${Plot} title=${t.memory} x=${x} ys=${[samples.map((p) => p.resident_bytes), samples.map((p) => p.engine_bytes)]} names=${[t.all, t.engine]} form=${bytes}
      floor=${3e8} fill ahead=${memory?.ahead} />
    <${Plot} title=${t.latency} x=${x} ys=${per((v) => v?.latency_p95_seconds)} names=${names} form=${seconds} floor=${0.1} />
    <${Plot} title=${t.rate} x=${x} ys=${per((v) => v?.per_second)} names=${names} form=${(v) => v.toFixed(2)} floor=${0.5} />
    <${Plot} title=${t.waiting} x=${x} ys=${[samples.map((p) => p.waiting)]} names=${[t.tasks]} form=${(v) => v.toFixed(v % 1 ? 1 : 0)} floor=${4} fill ahead=${queued} />
    <${Plot} title=${t.scheduling} x=${x} ys=${[samples.map((p) => p.scheduling_p99_seconds), samples.map((p) => p.gc_pause_p99_seconds)]} names=${[t.wait, t.gc]}
      form=${seconds} floor=${0.001} /></section>`;
}

let library;
function loadLibrary() {
  if (!library) {
    const href = new URL('../../vendor/uplot.css', import.meta.url).href;
    document.head.append(Object.assign(document.createElement('link'), { rel: 'stylesheet', href }));
    library = import('../../vendor/uplot.js').then((m) => m.default, () => { library = null; }); // the server may be away
  }
  return library;
}

/** The data of a plot; a forecast is a further series behind the last sample. */
function dataOf(x, ys, ahead) {
  if (!ahead?.length || !x.length) return [x, ...ys];
  const last = x.at(-1), later = ahead.map((a) => last + a.minutes * 60), gap = ahead.map(() => null);
  return [[...x, ...later], ...ys.map((y) => [...y, ...gap]), [...x.map((_, i) => (i === x.length - 1 ? ys[0].at(-1) : null)), ...ahead.map((a) => a.value)]];
}

function options({ names, form, floor, fill, ahead, width, onCursor }) {
  const axis = { stroke: ink('--ink-3'), grid: { stroke: ink('--line', 0.6), width: 1 }, ticks: { show: false }, font: '11px "Plex Mono", monospace' };
  const series = names.map((label, i) => ({
    label, stroke: ink(colours[i % 4]), width: 1.75, points: { show: false }, spanGaps: false, ...(fill && i === 0 && { fill: ink(colours[0], 0.13) }),
  }));
  const later = { label: t.forecast, stroke: ink('--ink-2'), width: 1.5, dash: [5, 4], points: { show: false }, spanGaps: true };
  return {
    width, height: 150, padding: [8, 8, 0, 0], legend: { show: false }, cursor: { sync: { key: 'system' }, y: false, points: { size: 6 } },
    scales: { y: { range: (u, low, high) => [0, Math.max(floor, (high ?? 0) * 1.15)] } },
    axes: [{ ...axis, size: 26, values: (u, v) => v.map((s) => timeOf(s * 1000).slice(0, v[1] - v[0] < 60 ? 8 : 5)), space: 80 }, { ...axis, size: 58, values: (u, v) => v.map(form), space: 34 }],
    series: [{}, ...series, ...(ahead?.length ? [later] : [])],
    hooks: { setCursor: [(u) => onCursor(u.cursor.idx == null ? null : [u.data[0], ...u.data.slice(1)].map((y) => y[u.cursor.idx]))] },
  };
}

function Plot({ title, x, ys, names, form, floor, fill, ahead }) {
  const at = useRef(), plot = useRef(), latest = useRef(), [value, setValue] = useState('');
  latest.current = dataOf(x, ys, ahead);
  const onCursor = (row) => setValue(row ? [timeOf(row[0] * 1000), ...row.slice(1).filter((v) => v != null).map(form)].join('  ') : '');
  const count = latest.current.length;
  useEffect(() => {
    let here = true;
    const make = async () => {
      const UPlot = await loadLibrary();
      if (!here) return;
      if (!UPlot) {
        setTimeout(() => here && make(), 3000);
        return;
      }
      plot.current?.destroy();
      plot.current = new UPlot(options({ names, form, floor, fill, ahead, width: at.current.clientWidth, onCursor }), latest.current, at.current);
    };
    make();
    const watch = new ResizeObserver(() => plot.current?.setSize({ width: at.current.clientWidth, height: 150 }));
    watch.observe(at.current);
    addEventListener('themechange', make);
    return () => {
      here = false;
      watch.disconnect();
      removeEventListener('themechange', make);
      plot.current?.destroy();
      plot.current = null;
    };
  }, [count, names.join()]);
  useEffect(() => { plot.current?.setData(latest.current); }, [x.at(-1), x.length]);
  const last = names.map((n, i) => [n, ys[i].findLast((y) => y != null)]).filter(([, v]) => v != null).map(([n, v]) => [n, form(v)]);
  const keys = [...names.map((n, i) => [n, colours[i % 4]]), ...(ahead?.length ? [[t.forecast, '--ink-2']] : [])];
  return html`<figure class="plot" aria-label=${t.now(title, last.map((x) => x.join(' ')).join(', '))}><header><b class="small">${title}</b>
      ${keys.length > 1 && keys.map(([n, c]) => html`<span class="key" style=${`--c:var(${c})`}>${n}</span>`)}
      <span class="at">${value || last[0]?.[1] || ''}</span></header><div ref=${at}></div></figure>`;
}
