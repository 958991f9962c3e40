// Golden values for a wav2vec2 CTC model, from transformers.js.
//
//   node wav2vec2.mjs [model folder] [clips folder]           write them
//   node wav2vec2.mjs --check [model folder] [clips folder]   compare a fresh run with them
//
// The clips folder holds clips.json and the WAV files it names. Writing makes
// golden.json and golden_logits.f32.gz there and puts the recognised texts into
// clips.json. Checking fails over a logit difference of 1e-3 or a changed text.

import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import zlib from 'node:zlib';
import { createRequire } from 'node:module';
import { AutoModelForCTC, AutoProcessor, env, pipeline } from '@huggingface/transformers';

const TOLERANCE = 1e-3;
const check = process.argv.includes('--check');
const folders = process.argv.slice(2).filter((a) => a !== '--check');
const model = path.resolve(folders[0] ?? path.join(import.meta.dirname, '../wav2vec2-tiny'));
const clips = path.resolve(folders[1] ?? path.join(model, 'clips'));

// transformers.js wants the graph in a subfolder onnx; our model folders are flat.
function stage(parent) {
  const to = path.join(parent, 'model');
  fs.mkdirSync(path.join(to, 'onnx'), { recursive: true });
  for (const f of fs.readdirSync(model)) {
    if (f.endsWith('.json')) fs.copyFileSync(path.join(model, f), path.join(to, f));
  }
  fs.copyFileSync(path.join(model, 'model.onnx'), path.join(to, 'onnx', 'model.onnx'));
}

// The samples of a mono 16 kHz 16-bit WAV file, in -1 to 1.
function readWav(file) {
  const b = fs.readFileSync(file);
  if (b.toString('latin1', 0, 4) !== 'RIFF' || b.toString('latin1', 8, 12) !== 'WAVE') {
    throw new Error(`${file}: not a WAV file`);
  }
  let known = false;
  for (let at = 12; at + 8 <= b.length; ) {
    const id = b.toString('latin1', at, at + 4);
    const size = b.readUInt32LE(at + 4);
    const body = b.subarray(at + 8, at + 8 + size);
    if (id === 'fmt ') {
      known = body.readUInt16LE(0) === 1 && body.readUInt16LE(2) === 1
        && body.readUInt32LE(4) === 16000 && body.readUInt16LE(14) === 16;
    } else if (id === 'data') {
      if (!known) throw new Error(`${file}: want mono 16 kHz 16-bit PCM`);
      return Float32Array.from({ length: body.length >> 1 }, (_, i) => body.readInt16LE(2 * i) / 32768);
    }
    at += 8 + size + (size & 1);
  }
  throw new Error(`${file}: no data`);
}

function installed(name) {
  // The package's own exports hide package.json, so walk up from its entry file.
  let dir = path.dirname(createRequire(import.meta.url).resolve(name));
  for (; ; dir = path.dirname(dir)) {
    const file = path.join(dir, 'package.json');
    if (fs.existsSync(file)) {
      const p = JSON.parse(fs.readFileSync(file, 'utf8'));
      if (p.name === name) return p.version;
    }
    if (dir === path.dirname(dir)) throw new Error(`no package.json for ${name}`);
  }
}

// How many words must be inserted, deleted or changed to get from a to b.
function wordErrors(a, b) {
  a = a.split(' ').filter(Boolean);
  b = b.split(' ').filter(Boolean);
  let row = b.map((_, j) => j + 1);
  row.unshift(0);
  a.forEach((word, i) => {
    const next = [i + 1];
    b.forEach((other, j) => next.push(Math.min(next[j] + 1, row[j + 1] + 1, row[j] + (word !== other))));
    row = next;
  });
  return { errors: row[b.length], words: a.length };
}

function report(list, field) {
  let errors = 0, words = 0, exact = 0;
  for (const c of list) {
    const e = wordErrors(c.spoken, c[field]);
    errors += e.errors;
    words += e.words;
    exact += c[field] === c.spoken;
  }
  console.log(`${field}: word error rate ${(100 * errors / words).toFixed(1)} % (${errors} of ${words} words), `
    + `${exact} of ${list.length} clips exactly right`);
}

async function run(list, parent) {
  stage(parent);
  env.allowRemoteModels = false;
  env.localModelPath = parent;
  env.useFSCache = false;
  // One thread keeps the order of the sums, so two runs give the same numbers.
  const options = { device: 'cpu', dtype: 'fp32',
    session_options: { intraOpNumThreads: 1, interOpNumThreads: 1 } };
  const recognise = await pipeline('automatic-speech-recognition', 'model', options);
  const processor = await AutoProcessor.from_pretrained('model');
  const ctc = await AutoModelForCTC.from_pretrained('model', options);
  const out = [], parts = [];
  let offset = 0;
  for (const clip of list) {
    const samples = readWav(path.join(clips, clip.file));
    const { text } = await recognise(samples);
    const { logits } = await ctc(await processor(samples));
    const [, frames, vocab] = logits.dims;
    const best = [];
    for (let f = 0; f < frames; f++) {
      const row = logits.data.subarray(f * vocab, (f + 1) * vocab);
      best.push(row.indexOf(Math.max(...row)));
    }
    // The pipeline drops the blanks before it merges equal neighbours, which
    // turns HELLO into HELO. Decoding with the blanks kept is the right order.
    const ctc_text = recognise.tokenizer.decode(best, { skip_special_tokens: false });
    out.push({ file: clip.file, samples: samples.length, frames, vocab, text, ctc_text, offset, spoken: clip.text });
    parts.push(logits.data);
    offset += logits.data.length;
  }
  const all = new Float32Array(offset);
  out.forEach((c, i) => all.set(parts[i], c.offset));
  return { list: out, logits: all };
}

// Written element by element, so the bytes are little-endian on any machine.
function toBytes(floats) {
  const b = Buffer.alloc(floats.length * 4);
  floats.forEach((v, i) => b.writeFloatLE(v, i * 4));
  return b;
}

function fromBytes(b) {
  return Float32Array.from({ length: b.length / 4 }, (_, i) => b.readFloatLE(i * 4));
}

function compare(fresh, golden, logits) {
  const wrong = [];
  if (golden.clips.length !== fresh.list.length || logits.length !== fresh.logits.length) {
    wrong.push('number of clips or logits');
  }
  fresh.list.forEach((c, i) => {
    for (const k of ['file', 'samples', 'frames', 'vocab', 'text', 'ctc_text', 'offset']) {
      if (golden.clips[i]?.[k] !== c[k]) wrong.push(`${c.file} ${k}: ${golden.clips[i]?.[k]}, now ${c[k]}`);
    }
  });
  let most = 0;
  fresh.logits.forEach((v, i) => {
    const d = Math.abs(v - logits[i]);
    if (!(d <= most)) most = d; // also lets NaN through, which then fails below
  });
  console.log(`${fresh.list.length} clips, ${fresh.logits.length} logits, max abs difference ${most}`);
  if (!(most <= TOLERANCE)) wrong.push(`logits differ by more than ${TOLERANCE}`);
  return wrong;
}

const listFile = path.join(clips, 'clips.json');
const goldenFile = path.join(clips, 'golden.json');
const logitsFile = path.join(clips, 'golden_logits.f32.gz');
const listed = JSON.parse(fs.readFileSync(listFile, 'utf8'));
const parent = fs.mkdtempSync(path.join(os.tmpdir(), 'parity-'));
let fresh;
try {
  fresh = await run(listed, parent);
} finally {
  fs.rmSync(parent, { recursive: true, force: true });
}

if (check) {
  const golden = JSON.parse(fs.readFileSync(goldenFile, 'utf8'));
  const wrong = compare(fresh, golden, fromBytes(zlib.gunzipSync(fs.readFileSync(logitsFile))));
  wrong.forEach((w) => console.error(`differs: ${w}`));
  if (wrong.length) process.exitCode = 1;
} else {
  const golden = {
    versions: {
      '@huggingface/transformers': installed('@huggingface/transformers'),
      'onnxruntime-node': installed('onnxruntime-node'),
      node: process.versions.node,
    },
    logits: {
      file: path.basename(logitsFile),
      format: 'gzip of little-endian float32; each clip is [frames][vocab] from its offset, counted in floats',
    },
    texts: 'text is what the pipeline prints, ctc_text the same best tokens decoded with the blanks kept',
    clips: fresh.list.map(({ spoken, ...c }) => ({ ...c, shape: [c.frames, c.vocab] })),
  };
  fs.writeFileSync(goldenFile, JSON.stringify(golden, null, 1) + '\n');
  fs.writeFileSync(logitsFile, zlib.gzipSync(toBytes(fresh.logits), { level: 9 }));
  const texts = listed.map((c, i) => ({ file: c.file, voice: c.voice, text: c.text,
    transformersjs_text: fresh.list[i].text, ctc_text: fresh.list[i].ctc_text }));
  fs.writeFileSync(listFile, JSON.stringify(texts, null, 1) + '\n');
  console.log(`wrote ${fresh.list.length} clips, ${fresh.logits.length} logits`);
}
report(fresh.list, 'text');
report(fresh.list, 'ctc_text');
