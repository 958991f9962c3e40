// The words of a running server against those of transformers.js, for wav2vec2 CTC folders.
//
//   node speech.mjs BINARY [model folder ...]
//
// BINARY is the server's; the default folder is ../wav2vec2-tiny. Fifty recordings of up to 30 s are heard in one run
// (window_seconds=0), five longer ones in windows of 10 s, all greedily. The recordings are the committed clips, and clips
// joined by a fixed random sequence. transformers.js has no windows for wav2vec2; the cutting and joining that its Python
// original does is written out below, over its processor, model and tokenizer. Ends with 1 when a text differs.

import fs from 'node:fs';
import http from 'node:http';
import os from 'node:os';
import path from 'node:path';
import { AutoModelForCTC, AutoProcessor, AutoTokenizer, env } from '@huggingface/transformers';
import { RATE, serve, wav } from './server.mjs';

const binary = path.resolve(process.argv[2] ?? '../../bin/grym-synth');
const folders = process.argv.length > 3 ? process.argv.slice(3) : [path.join(import.meta.dirname, '../wav2vec2-tiny')];
const clipsDir = path.join(import.meta.dirname, '../wav2vec2-tiny/clips');
const scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'parity-'));

// The samples of the committed clips: mono, 16 kHz, 16 bits behind a header of 44 bytes.
const clips = JSON.parse(fs.readFileSync(path.join(clipsDir, 'clips.json'), 'utf8')).map((c) => {
  const b = fs.readFileSync(path.join(clipsDir, c.file));
  return Int16Array.from({ length: (b.length - 44) >> 1 }, (_, i) => b.readInt16LE(44 + 2 * i));
});

// A fixed sequence of numbers from 0 to 1 (mulberry32).
let state = 20261124;
function random() {
  state = (state + 0x6d2b79f5) | 0;
  let t = Math.imul(state ^ (state >>> 15), 1 | state);
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
  return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
}

// Clips with pauses between them, cut at so many seconds.
function joined(seconds) {
  const samples = new Int16Array(Math.round(seconds * RATE));
  for (let at = 0; at < samples.length; at += Math.round((0.2 + 0.6 * random()) * RATE)) {
    const clip = clips[Math.floor(random() * clips.length)];
    samples.set(clip.subarray(0, Math.max(0, samples.length - at)), at);
    at += clip.length;
  }
  return samples;
}

function recordings() {
  const list = clips.map((samples, i) => ({ name: `clip ${i + 1}`, samples, window: 0 }));
  while (list.length < 50) {
    const seconds = list.length === 49 ? 30 : 2 + 28 * random();
    list.push({ name: `joined ${seconds.toFixed(2)} s`, samples: joined(seconds), window: 0 });
  }
  for (const seconds of [31, 43.21, 58, 75.5, 90]) list.push({ name: `long ${seconds} s`, samples: joined(seconds), window: 10 });
  return list;
}

// round to the nearest, halves to even, as Python does.
function round(x) {
  const r = Math.round(x);
  return Math.abs(x % 1) === 0.5 && r % 2 !== 0 ? r - 1 : r;
}

// The pieces that the pipeline of transformers cuts: [samples, left stride, right stride].
function chunks(samples, seconds, ratio) {
  const aligned = (s) => round((s * RATE) / ratio) * ratio;
  const length = aligned(seconds), stride = aligned(seconds / 6);
  const list = [];
  for (let start = 0; ; start += length - 2 * stride) {
    const chunk = samples.subarray(start, start + length);
    const last = start + length >= samples.length;
    const left = start === 0 ? 0 : stride;
    if (chunk.length > left) list.push([chunk, left, last ? 0 : stride]);
    if (last) return list;
  }
}

async function reference(folder) {
  const staged = path.join(scratch, 'stage', 'model');
  fs.rmSync(path.dirname(staged), { recursive: true, force: true });
  fs.mkdirSync(path.join(staged, 'onnx'), { recursive: true });
  for (const f of fs.readdirSync(folder)) {
    if (f.endsWith('.json')) fs.copyFileSync(path.join(folder, f), path.join(staged, f));
    if (f.endsWith('.onnx')) fs.symlinkSync(path.resolve(folder, f), path.join(staged, 'onnx', f));
  }
  env.allowRemoteModels = false;
  env.localModelPath = path.dirname(staged);
  env.useFSCache = false;
  const processor = await AutoProcessor.from_pretrained('model');
  const tokenizer = await AutoTokenizer.from_pretrained('model');
  const model = await AutoModelForCTC.from_pretrained('model', { device: 'cpu', dtype: 'fp32' });
  const config = JSON.parse(fs.readFileSync(path.join(folder, 'config.json'), 'utf8'));
  const ratio = config.conv_stride.reduce((a, b) => a * b);
  const best = async (samples) => {
    const { logits } = await model(await processor(samples));
    const [, frames, vocab] = logits.dims;
    return Array.from({ length: frames }, (_, f) => {
      const row = logits.data.subarray(f * vocab, (f + 1) * vocab);
      return row.indexOf(row.reduce((a, b) => Math.max(a, b)));
    });
  };
  return async ({ samples, window }) => {
    const floats = Float32Array.from(samples, (v) => v / 32768);
    if (window === 0) return tokenizer.decode(await best(floats), { skip_special_tokens: false });
    const ids = [];
    for (const [chunk, left, right] of chunks(floats, window, ratio)) {
      const n = chunk.length, tokens = round(n / ratio);
      const all = await best(chunk);
      ids.push(...all.slice(round((left / n) * tokens), tokens - round((right / n) * tokens)));
    }
    return tokenizer.decode(ids, { skip_special_tokens: false });
  };
}

// Puts the folders where the server finds them, each a model by its number.
function models() {
  const to = path.join(scratch, 'data', 'models');
  fs.mkdirSync(to, { recursive: true });
  folders.forEach((folder, i) => fs.symlinkSync(path.resolve(folder), path.join(to, `m${i}`)));
  return path.dirname(to);
}

// Not fetch, which gives up after five minutes.
function ask(url, model, { samples, window }) {
  const boundary = 'a-boundary-that-no-recording-has';
  const field = (header, body) => Buffer.concat([Buffer.from(`--${boundary}\r\nContent-Disposition: form-data; ${header}\r\n\r\n`), Buffer.from(body), Buffer.from('\r\n')]);
  const body = Buffer.concat([
    field('name="model"', model), field('name="decoding"', 'greedy'), field('name="window_seconds"', String(window)),
    field('name="file"; filename="x.wav"', wav(samples)), Buffer.from(`--${boundary}--\r\n`),
  ]);
  return new Promise((resolve, reject) => {
    const request = http.request(`${url}/v1/audio/transcriptions`, {
      method: 'POST', headers: { 'Content-Type': `multipart/form-data; boundary=${boundary}`, 'Content-Length': body.length },
    }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (piece) => { text += piece; }).on('end', () => {
        if (response.statusCode === 200) resolve(JSON.parse(text).text);
        else reject(new Error(text));
      });
    });
    request.on('error', reject).end(body);
  });
}

// Where two texts part.
function difference(want, got) {
  let at = 0;
  while (want[at] === got[at]) at++;
  const around = (text) => JSON.stringify(text.slice(Math.max(0, at - 20), at + 20));
  return `from letter ${at} transformers.js has ${around(want)}, the server ${around(got)}`;
}

let wrong = 0;
const { url, stop } = await serve(binary, models());
try {
  const list = recordings();
  for (const [i, folder] of folders.entries()) {
    const expected = await reference(folder);
    let equal = 0, letters = 0;
    for (const recording of list) {
      const [want, got] = [await expected(recording), await ask(url, `m${i}`, recording)];
      letters += want.length;
      if (want === got) equal++;
      else console.error(`${folder}, ${recording.name}: ${difference(want, got)}`);
    }
    wrong += list.length - equal;
    console.log(`${folder}: ${equal} of ${list.length} texts equal, ${letters} letters`);
  }
} finally {
  await stop();
  fs.rmSync(scratch, { recursive: true, force: true });
}
process.exitCode = wrong ? 1 : 0;
