// Recordings that the server keeps, in the deck: its peaks and its spectrogram instead of the whole file. The browser
// plays them by ranges, and requests samples only of a part that is looked at closely.
import { describe, send, getJSON } from './api.js';
import { show, change, worker } from './deck.js';

const pixels = 16_000; // of the waveform of the whole recording
const widest = 8192, rows = 192, floor = -110; // of a spectrogram by the server; the floor in dBFS
const shown = 78; // decibels below the loudest that the deck shows, as in dsp.js
const closest = 30; // seconds, from which samples are requested
export const audioPath = (id) => `/v1/audio/${id}`;

/** Stores a file. Returns what GET /v1/audio has of it. */
export const keep = async (file) => (await send(describe('POST', '/v1/audio', { form: [['file', file]] }))).json();

/** The id of a recording on the server, which stores it if it does not have it yet. */
export async function idOf(r) {
  if (r.audioId ?? r.kept) return r.audioId ?? r.kept;
  const { id } = await keep(r.file);
  change(r.id, () => ({ kept: id }));
  return id;
}

/** What is drawn of a stored recording; its spectrogram follows by spectrumOf. `file` is its content where the browser has it. */
export async function read(audio, file) {
  const peaks = await getJSON(`${audioPath(audio.id)}/peaks?pixels=${pixels}&bits=8&channels=mix`);
  const { sample_rate: rate, samples_per_pixel: step, length, data } = peaks;
  const low = new Float32Array(length), high = new Float32Array(length);
  for (let i = 0; i < length; i++) {
    low[i] = data[2 * i] / 128;
    high[i] = data[2 * i + 1] / 128;
  }
  const duration = audio.duration ?? (length * step) / rate;
  return {
    name: audio.name ?? audio.id.slice(0, 12), audioId: audio.id, file: file ?? null, url: file ? URL.createObjectURL(file) : audioPath(audio.id), duration, rate,
    channels: audio.channels ?? peaks.channels ?? 1, bytes: audio.size, peaks: { low, high },
  };
}

/** Makes a stored recording the current one. */
export async function open(audio, file) {
  const recording = show(await read(audio, file));
  spectrumOf(audio.id, recording.rate, {}).then((spectrum) => change(recording.id, () => ({ spectrum })), () => {}); // the waveform remains
  return recording;
}

/** The levels of a span in the form of dsp.spectrogram, from a picture of the server in grey. */
export async function spectrumOf(id, rate, { t0, t1 }, width = widest) {
  const top = Math.min(rate / 2, 12_000), query = new URLSearchParams({
    width, height: rows, axes: false, theme: 'dark', colors: 'gray', channels: 'mix', reduce: 'max', floor_db: floor, max_frequency: top, ...(t1 && { start: t0, end: t1 }),
  });
  const image = await createImageBitmap(await (await send(describe('GET', `${audioPath(id)}/spectrogram?${query}`))).blob());
  const canvas = new OffscreenCanvas(image.width, image.height), context = canvas.getContext('2d', { willReadFrequently: true });
  context.drawImage(image, 0, 0);
  const { data } = context.getImageData(0, 0, image.width, image.height), columns = image.width;
  image.close();
  let loudest = 0;
  for (let i = 0; i < data.length; i += 4) loudest = Math.max(loudest, data[i]);
  const levels = new Uint8ClampedArray(columns * rows), scale = -floor / shown;
  for (let c = 0; c < columns; c++) {
    for (let r = 0; r < rows; r++) levels[c * rows + r] = 255 + (data[4 * (r * columns + c)] - loudest) * scale;
  }
  return { levels, columns, rows, top };
}

const asked = new Set();
/** Requests more detail of a span: samples of a short one, otherwise a picture. */
export async function refineStored(r, { t0, t1 }) {
  const key = `${r.id} ${t0} ${t1}`;
  if (asked.has(key)) return;
  asked.add(key);
  try {
    if (t1 - t0 > closest) {
      const made = await spectrumOf(r.audioId, r.rate, { t0, t1 }, 3000);
      change(r.id, () => ({ fine: { t0, t1, ...made } }));
      return;
    }
    const blob = await sound({ audioId: r.audioId, span: { t0, t1 } }), buffer = await new OfflineAudioContext(1, 1, Math.min(48_000, Math.max(8000, r.rate))).decodeAudioData(await blob.arrayBuffer());
    const samples = buffer.getChannelData(0);
    change(r.id, () => ({ close: { t0, t1, samples, rate: buffer.sampleRate } }));
    const copied = samples.slice();
    worker().postMessage({ id: r.id, part: copied, rate: buffer.sampleRate, t0, t1 }, [copied.buffer]);
  } catch { /* what is shown remains */ } finally {
    asked.delete(key);
  }
}

/** The sound of a span of a stored recording as WAV, or its whole file. */
export async function sound({ audioId, span, name = audioId }) {
  if (!span) {
    const blob = await (await send(describe('GET', audioPath(audioId)))).blob();
    return new File([blob], name, { type: blob.type });
  }
  const operations = [{ op: 'trim', start: span.t0, end: span.t1 }];
  const blob = await (await send(describe('POST', '/v1/audio/edits', { json: { audio_id: audioId, operations } }))).blob();
  return new File([blob], `${name}-${span.t0.toFixed(2)}-${span.t1.toFixed(2)}.wav`, { type: blob.type });
}
