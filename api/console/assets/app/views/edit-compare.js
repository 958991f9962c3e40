// Two sounds beside each other, with waveform and spectrogram, of which one is heard at a time.
import { html, useState, useEffect, useRef, clock, bytes, toast } from '../lib.js';
import { Icon } from '../ui.js';
import { onTick } from '../deck.js';
import { spectrogram } from '../dsp.js';
import { fitCanvas, drawWave, drawSpectrogram } from '../paint.js';
import { t } from '../texts/edit.js';

/** A file as what Compared draws: a format that the browser does not decode is heard only. */
export async function drawn(file) {
  const url = URL.createObjectURL(file), seen = { url, bytes: file.size, samples: null, duration: NaN, rate: NaN };
  try {
    const raw = await file.arrayBuffer(), view = new DataView(raw), rate = view.getUint32(0) === 0x52494646 ? view.getUint32(24, true) : 48_000;
    const buffer = await new OfflineAudioContext(1, 1, Math.min(48_000, Math.max(8000, rate))).decodeAudioData(raw), samples = buffer.getChannelData(0);
    return { ...seen, samples, duration: buffer.duration, rate, spectrum: spectrogram(samples, buffer.sampleRate, { rows: 128, most: 1600 }) };
  } catch {
    return seen;
  }
}

/** Both pictures have one scale of time, so that a change of length is seen. */
export function Compared({ before, after }) {
  const [playing, setPlaying] = useState(null), longest = Math.max(before.duration, Number.isFinite(after.duration) ? after.duration : 0);
  const top = Math.min(before.spectrum?.top ?? Infinity, after.spectrum?.top ?? Infinity);
  const pane = (which, r) => html`<${Pane} key=${r.url} which=${which} r=${r} longest=${longest} top=${top} playing=${playing} setPlaying=${setPlaying} />`;
  return html`<div class="compare" data-test="compare">${pane('before', before)}${pane('after', after)}</div>`;
}

function Pane({ which, r, longest, top, playing, setPlaying }) {
  const canvas = useRef(), audio = useRef(), line = useRef(), on = playing === which, drawable = r.samples || r.peaks;
  const span = Number.isFinite(r.duration) ? r.duration / longest : 1;
  useEffect(() => {
    const paint = () => {
      if (!canvas.current || !drawable) return;
      const { g, width, height } = fitCanvas(canvas.current), wave = Math.round(height * 0.36), right = width * span;
      drawWave(g, r, 0, r.duration, 0, 2, right, wave - 4);
      if (r.spectrum) drawSpectrogram(g, r.spectrum, r.duration, 0, r.duration, 0, wave, right, height - wave, 0, top);
    };
    paint();
    const watch = new ResizeObserver(paint);
    watch.observe(canvas.current);
    addEventListener('themechange', paint);
    return () => {
      watch.disconnect();
      removeEventListener('themechange', paint);
    };
  }, [r.samples, r.spectrum, r.duration, span, top]);
  useEffect(() => { if (!on) audio.current.pause(); }, [on]);
  useEffect(() => onTick(() => {
    const a = audio.current;
    if (line.current && a?.duration) line.current.style.left = `${(a.currentTime / a.duration) * span * 100}%`;
  }), [span]);
  const toggle = () => {
    if (on) setPlaying(null);
    else {
      setPlaying(which);
      audio.current.play().catch((e) => toast(e.message));
    }
  };
  const seek = (e) => {
    const { left, width } = e.currentTarget.getBoundingClientRect(), at = (e.clientX - left) / (width * span);
    if (audio.current.duration) audio.current.currentTime = Math.min(1, at) * audio.current.duration;
  };
  const stopped = () => setPlaying((p) => (p === which ? null : p));
  const name = t[which];
  return html`<figure class="panel flush pane" aria-label=${t.picture(name, r.name)}><header><button class="play small" aria-label=${(on ? t.pause : t.play)(name)} onClick=${toggle}
      ><${Icon} name=${on ? 'pause' : 'play'} /></button><b>${name}</b><span class="grow"></span>
    <span class="tiny faint">${Number.isFinite(r.duration) ? t.facts(clock(r.duration), r.rate / 1000, bytes(r.bytes)) : bytes(r.bytes)}</span></header>
    <div class="picture" onClick=${seek}><canvas ref=${canvas} aria-hidden="true"></canvas><i ref=${line}></i></div>
    <audio ref=${audio} src=${r.url} preload="none" onPause=${stopped} onEnded=${stopped}></audio></figure>`;
}
