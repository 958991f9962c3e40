// The current recording in the deck: waveform, spectrogram, notes, selection and the controls of the player.
import { html, useEffect, useRef, useState, clock, clamp, bytes } from './lib.js';
import { Icon } from './ui.js';
import { mel, hertz } from './dsp.js';
import { fitCanvas, drawSpectrogram, drawWave, ink } from './paint.js';
import {
  deck, notesOf, isFolded, fold, now, onTick, seek, playSpan, toggle, setView, zoom, select, useLit, refine, choose, record, pickFiles,
} from './deck.js';
import { say } from './texts.js';

/** The share of the waveform in the height of the deck; the rest is the spectrogram. */
const waveShare = 0.34;
function geometry(width, height, folded) {
  const wave = folded ? height : Math.round(height * waveShare);
  return { wave, spectrum: height - wave, width, height };
}
const steps = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 300, 600, 1800, 3600];

function paintAxis(g, { t0, t1 }, width, x) {
  const wish = (t1 - t0) / (width / 90), step = steps.find((v) => v >= wish) ?? 3600;
  g.font = '11px "Plex Mono", monospace';
  g.textBaseline = 'top';
  for (let t = Math.ceil(t0 / step) * step; t <= t1; t += step) {
    g.fillStyle = ink('--ink-3', 0.35);
    g.fillRect(Math.round(x(t)), 0, 1, 5);
    g.fillStyle = ink('--ink-3');
    if (x(t) < width - 34) g.fillText(clock(t, step < 0.1 ? 2 : step < 1 ? 1 : 0), x(t) + 4, 1);
  }
}
function paintSelection(g, sel, r, box, x) {
  const a = x(sel.t0), b = x(sel.t1);
  let y = 0, h = box.height;
  if (sel.f1 && r.spectrum) {
    const of = (f) => box.wave + (1 - mel(f) / mel(r.spectrum.top)) * box.spectrum;
    y = of(sel.f1);
    h = of(sel.f0) - y;
    g.fillStyle = ink('--head', 0.16);
    g.fillRect(a, y, b - a, h);
  }
  g.strokeStyle = ink('--head');
  g.lineWidth = 1.5;
  g.strokeRect(a, y + 0.75, b - a, h - 1.5);
  g.fillStyle = ink('--head');
  for (const e of [a, b]) g.fillRect(e - 2, y + h / 2 - 8, 4, 16);
}
function paintDeck(canvas, s, r) {
  const { g, width, height } = fitCanvas(canvas), { t0, t1 } = s.view, folded = isFolded(s), box = geometry(width, height, folded);
  const x = (t) => ((t - t0) / (t1 - t0)) * width, sel = s.selection;
  if (sel) {
    g.fillStyle = ink('--head-wash');
    g.fillRect(x(sel.t0), 0, x(sel.t1) - x(sel.t0), box.wave);
  }
  drawWave(g, r, t0, t1, 0, 12, width, box.wave - 14);
  if (!folded) {
    const { fine, spectrum } = r;
    const close = spectrum && fine && fine.t0 <= t0 && fine.t1 >= t1 && fine.columns / (fine.t1 - fine.t0) > spectrum.columns / r.duration;
    if (close) drawSpectrogram(g, fine, fine.t1 - fine.t0, t0 - fine.t0, t1 - fine.t0, 0, box.wave, width, box.spectrum);
    else if (spectrum) drawSpectrogram(g, spectrum, r.duration, t0, t1, 0, box.wave, width, box.spectrum);
    else {
      g.fillStyle = ink('--map-0');
      g.fillRect(0, box.wave, width, box.spectrum);
    }
  }
  paintAxis(g, s.view, width, x);
  if (sel) paintSelection(g, sel, r, box, x);
}

/** The handlers of the pointer: a click seeks, a drag selects, at an edge it moves the edge. */
function usePointer(canvas, r) {
  const drag = useRef(null);
  const at = (e) => {
    const rect = canvas.current.getBoundingClientRect(), { t0, t1 } = deck.get().view;
    const box = geometry(rect.width, rect.height, isFolded(deck.get())), y = e.clientY - rect.top - box.wave;
    const t = clamp(t0 + ((e.clientX - rect.left) / rect.width) * (t1 - t0), 0, r.duration);
    const f = y >= 0 && r.spectrum ? hertz(mel(r.spectrum.top) * clamp(1 - y / box.spectrum, 0, 1)) : null;
    return { t, f, px: (t1 - t0) / rect.width };
  };
  const down = (e) => {
    if (e.button) return;
    const p = at(e), sel = deck.get().selection, near = (t) => Math.abs(p.t - t) < 6 * p.px;
    drag.current = { from: p, moved: false, edge: sel && near(sel.t0) ? 't0' : sel && near(sel.t1) ? 't1' : null, sel };
    canvas.current.setPointerCapture(e.pointerId);
  };
  const move = (e) => {
    const d = drag.current;
    if (!d) return;
    const p = at(e);
    if (!d.moved && Math.abs(p.t - d.from.t) < 4 * p.px) return;
    d.moved = true;
    const fixed = d.edge ? d.sel[d.edge === 't0' ? 't1' : 't0'] : d.from.t;
    const next = { ...(d.edge && d.sel), t0: Math.min(fixed, p.t), t1: Math.max(fixed, p.t) };
    if (!d.edge && (e.shiftKey || deck.get().marking) && d.from.f !== null && p.f !== null) {
      Object.assign(next, { f0: Math.min(d.from.f, p.f), f1: Math.max(d.from.f, p.f) });
    }
    select(next);
  };
  const up = () => {
    const d = drag.current;
    drag.current = null;
    if (!d || d.moved) return;
    select(null);
    seek(d.from.t);
  };
  useEffect(() => {
    const c = canvas.current;
    const wheel = (e) => {
      const zooming = e.ctrlKey || e.metaKey;
      if (!zooming && Math.abs(e.deltaX) <= Math.abs(e.deltaY)) return;
      e.preventDefault();
      if (zooming) {
        zoom(e.deltaY > 0 ? 1.2 : 1 / 1.2, at(e).t);
        return;
      }
      const { t0, t1 } = deck.get().view, by = ((t1 - t0) * e.deltaX) / 800;
      setView(t0 + by, t1 + by);
    };
    c.addEventListener('wheel', wheel, { passive: false });
    return () => c.removeEventListener('wheel', wheel);
  }, [r]);
  return { onPointerDown: down, onPointerMove: move, onPointerUp: up, onPointerCancel: () => { drag.current = null; } };
}

function key(e, r) {
  const { view, selection } = deck.get();
  const step = (e.altKey ? 0.1 : 1) * Math.max(0.02, (view.t1 - view.t0) / 50), by = { ArrowLeft: -step, ArrowRight: step }[e.key];
  const vertical = { ArrowUp: 1, ArrowDown: -1 }[e.key], page = { PageUp: -0.8, PageDown: 0.8 }[e.key] * (view.t1 - view.t0);
  if (by && e.shiftKey) {
    const sel = selection ?? { t0: now(), t1: now() }, t = clamp(sel.t1 + by, 0, r.duration);
    select(t >= sel.t0 ? { ...sel, t1: t } : { ...sel, t0: t, t1: sel.t0 });
  } else if (by) seek(now() + by);
  else if (vertical && selection && r.spectrum) {
    const edge = e.shiftKey ? 'f0' : 'f1', base = { f0: 0, f1: r.spectrum.top, ...selection };
    select({ ...base, [edge]: clamp(hertz(mel(base[edge]) + vertical * 60), 0, r.spectrum.top) });
  } else if (page) setView(view.t0 + page, view.t1 + page);
  else if (e.key === 'Home') seek(0);
  else if (e.key === 'End') seek(r.duration);
  else if (e.key === '+' || e.key === '=') zoom(1 / 1.5);
  else if (e.key === '-') zoom(1.5);
  else if (e.key === 'Escape') select(null);
  else return;
  e.preventDefault();
}

function Axis({ top }) {
  const tall = 1 - waveShare, place = (f) => (waveShare + (1 - mel(f) / mel(top)) * tall).toFixed(4);
  return [250, 1000, 2000, 4000, 8000].filter((f) => f < top * 0.9).map((f) => html`<span
    style=${`top:calc(var(--deck-lanes) * ${place(f)})`}>${f < 1000 ? f : `${f / 1000}k`}</span>`);
}

const mostNotes = 240;
function Notes({ r, s, width }) {
  const all = notesOf(r, s.layer), lit = useLit(all), { t0, t1 } = s.view, of = (t) => ((t - t0) / (t1 - t0)) * 100;
  const visible = all.map((n, i) => ({ ...n, i, next: all[i + 1]?.t0 ?? t1 })).filter((n) => n.t1 >= t0 && n.t0 <= t1);
  const empty = visible.length > mostNotes ? say.deck.manyNotes(visible.length) : visible.length ? '' : say.deck.noNotes;
  const note = (n) => {
    const a = of(n.t0), b = of(n.t1), room = Math.max(b, Math.min(of(n.next), a + 9)), part = ((b - a) / Math.max(0.01, room - a)) * 100;
    return html`<button key=${n.i} tabindex="-1" class=${lit === n.i ? 'lit' : ''} title=${`${n.text} ${clock(n.t0)}`}
      style=${`left:${a}%;width:${Math.max(0.4, room - a)}%;--part:${part}%`} onClick=${() => playSpan(n.t0, n.t1)}
      >${((room - a) / 100) * width < 24 ? '' : n.text}</button>`;
  };
  return html`<div class="notes" role="group" aria-label=${say.deck.notes}>${empty ? html`<span class="none">${empty}</span>` : visible.map(note)}</div>`;
}

function Lanes({ r }) {
  const s = deck.use(), folded = isFolded(s), canvas = useRef(), head = useRef(), surface = useRef(), [size, setSize] = useState(0);
  const pointer = usePointer(canvas, r);
  useEffect(() => {
    const again = () => setSize((n) => n + 1), watch = new ResizeObserver(again), media = matchMedia('(prefers-color-scheme: dark)');
    watch.observe(canvas.current);
    addEventListener('themechange', again);
    media.addEventListener('change', again);
    document.fonts.ready.then(again);
    return () => {
      watch.disconnect();
      removeEventListener('themechange', again);
      media.removeEventListener('change', again);
    };
  }, []);
  useEffect(() => {
    paintDeck(canvas.current, s, r);
    if (!folded) refine(r, s.view, canvas.current.clientWidth);
  }, [s.view, s.selection, folded, r, size]);
  useEffect(() => onTick((t) => {
    if (!head.current || !surface.current) return;
    const { t0, t1 } = deck.get().view, width = surface.current.clientWidth, x = ((t - t0) / (t1 - t0)) * width;
    head.current.style.transform = `translateX(${x}px)`;
    head.current.style.visibility = x < 0 || x > width ? 'hidden' : 'visible';
    surface.current.setAttribute('aria-valuenow', t.toFixed(2));
    surface.current.setAttribute('aria-valuetext', say.deck.position(clock(t), clock(r.duration)));
    if (deck.get().playing && t > t1) setView(t, t + (t1 - t0));
  }), [r.id]);
  return html`<div class="lanes"><div class="axis" aria-hidden="true">${!folded && r.spectrum && html`<${Axis} top=${r.spectrum.top} />`}</div>
    <div class="surface" ref=${surface} tabindex="0" role="slider" aria-label=${say.deck.slider} aria-valuemin="0"
      aria-valuemax=${r.duration.toFixed(2)} aria-valuenow="0" onKeyDown=${(e) => key(e, r)}>
      <canvas ref=${canvas} ...${pointer} aria-hidden="true"></canvas><div class="playhead" ref=${head}></div>
    </div>
    <${Notes} r=${r} s=${s} width=${surface.current?.clientWidth ?? innerWidth} /></div>`;
}

function Clock({ r }) {
  const ref = useRef();
  useEffect(() => onTick((t) => { if (ref.current) ref.current.textContent = clock(t); }), []);
  return html`<div class="clock" aria-hidden="true"><span ref=${ref}>0:00.00</span> <small>${say.deck.of(clock(r.duration))}</small></div>`;
}

const Tool = ({ icon, label, keys, extra = '', ...rest }) => html`<button class=${`btn small icon-only ${extra}`} aria-label=${label} title=${`${label} (${keys})`}
  ...${rest}><${Icon} name=${icon} /></button>`;
const FoldTool = ({ folded, extra }) => html`<${Tool} icon=${folded ? 'up' : 'chevron'} keys="D" extra=${`quiet ${extra}`} aria-expanded=${!folded} onClick=${fold}
  label=${folded ? say.deck.unfold : say.deck.fold} />`;

function Transport({ r, s, folded, onFiles }) {
  const recording = s.recording !== null;
  const facts = [`${r.rate / 1000} kHz`, say.deck.channels(r.channels), bytes(r.bytes), ...(r.converted ? [say.deck.converted] : []), ...(r.samples ? [] : [say.deck.stored])].join(', ');
  return html`<div class="transport">
    <div class="row"><button class="play" onClick=${toggle} aria-label=${s.playing ? say.deck.pause : say.deck.play} title="Space"
      ><${Icon} name=${s.playing ? 'pause' : 'play'} /></button><${Clock} r=${r} /></div>
    <select aria-label=${say.deck.shelf} value=${r.id} onChange=${(e) => choose(e.target.value)}>${s.shelf.map((x) => html`<option
      value=${x.id} selected=${x.id === r.id}>${x.name}</option>`)}</select>
    <${FoldTool} folded=${folded} extra="show-s" />
    <div class="facts-line tiny faint">${facts}</div>
    <div class="row facts-line"><${Tool} icon="file" label=${say.deck.open} keys="O" onClick=${() => pickFiles(onFiles)} />
      <${Tool} icon=${recording ? 'stop' : 'mic'} label=${recording ? say.deck.stop : say.deck.record} keys="R" onClick=${record}
        extra=${recording ? 'on danger' : ''} />
      ${recording ? html`<span class="tiny mono">${clock(s.recording, 1)}</span>`
    : html`<${Tool} icon="loop" label=${say.deck.loop} keys="L" aria-pressed=${s.loop} onClick=${() => deck.set({ loop: !s.loop })} />`}</div>
  </div>`;
}

function Tools({ r, s, folded }) {
  const sel = s.selection, hz = sel?.f1 ? `  ${Math.round(sel.f0)}–${Math.round(sel.f1)} Hz` : '';
  return html`<div class="deck-tools">
    <span class="sel">${sel ? `${clock(sel.t0)}–${clock(sel.t1)}  ${(sel.t1 - sel.t0).toFixed(2)} s${hz}` : say.deck.whole}</span>
    ${sel && html`<button class="btn small quiet" onClick=${() => playSpan(sel.t0, sel.t1)}><${Icon} name="play" />${say.deck.playSpan}</button>
      <button class="btn small quiet" onClick=${() => select(null)} title="Esc">${say.deck.clear}</button>`}
    <span class="grow"></span>
    <button class="btn small quiet full wide-only" aria-pressed=${s.marking} title="B" onClick=${() => deck.set({ marking: !s.marking })}
      ><${Icon} name="box" />${say.deck.box}</button>
    <${Tool} icon="minus" extra="quiet full" label=${say.deck.zoomOut} keys="−" onClick=${() => zoom(1.6)} />
    <${Tool} icon="plus" extra="quiet full" label=${say.deck.zoomIn} keys="+" onClick=${() => zoom(1 / 1.6)} />
    <${Tool} icon="fit" extra="quiet full" label=${say.deck.showAll} keys="0" onClick=${() => setView(0, r.duration)} />
    <${FoldTool} folded=${folded} extra="hide-s" />
  </div>`;
}

export default function Recording({ r, s, onFiles }) {
  const folded = isFolded(s);
  return html`<div class="deck-grid"><${Transport} r=${r} s=${s} folded=${folded} onFiles=${onFiles} />
    <div class="deck-right"><${Tools} r=${r} s=${s} folded=${folded} /><${Lanes} r=${r} key=${r.id} /></div></div>`;
}
