// Vectors of a running server against those of transformers.js and of transformers (PyPI), for CLAP and AST folders.
//
//   node clap.mjs BINARY [model folder ...]
//
// BINARY is the server's; the default folder is ../clap-tiny. transformers.js computes features and vectors of 30 sounds and 100 texts for folders with
// audio_model.onnx and text_model.onnx, except those with truncation "fusion", which it does not support; AST folders are compared with transformers alone. A folder's golden.json, by
// ../export/clap_random.py or clap_golden.py, has the vectors of transformers; GOLDEN=FILE names that of a folder without one. Ends with 1 if a cosine is
// below 0.9999.

import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { AutoProcessor, AutoTokenizer, ClapAudioModelWithProjection, ClapTextModelWithProjection, env } from '@huggingface/transformers';
import { serve } from './server.mjs';

const LEAST = 0.9999;
const binary = path.resolve(process.argv[2] ?? '../../bin/grym-synth');
const folders = (process.argv.length > 3 ? process.argv.slice(3) : [path.join(import.meta.dirname, '../clap-tiny')]).map((f) => path.resolve(f));
const scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'parity-'));
const options = { dtype: 'fp32', device: 'cpu', session_options: { intraOpNumThreads: 1, interOpNumThreads: 1 } };
let failed = false;

// The sounds of ../export/clap_random.py: gliding tones and noise.
function made(rate, seconds, seed) {
  const x = new Float32Array(Math.floor(rate * seconds + 0.5));
  let state = seed;
  for (let i = 0; i < x.length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    const t = i / rate;
    const noise = (state >>> 8) / (1 << 23) - 1;
    x[i] = 0.3 * Math.sin(2 * Math.PI * ((150 + 100 * seed) * t + 60 * t * t)) + 0.1 * Math.sin(2 * Math.PI * 2100 * t) + 0.03 * noise;
  }
  return x;
}

// A WAV file of 32-bit floats.
function wav(samples, rate) {
  const b = Buffer.alloc(44 + 4 * samples.length);
  b.write('RIFF'); b.writeUInt32LE(36 + 4 * samples.length, 4); b.write('WAVEfmt ', 8);
  b.writeUInt32LE(16, 16); b.writeUInt16LE(3, 20); b.writeUInt16LE(1, 22); b.writeUInt32LE(rate, 24); b.writeUInt32LE(4 * rate, 28);
  b.writeUInt16LE(4, 32); b.writeUInt16LE(32, 34); b.write('data', 36); b.writeUInt32LE(4 * samples.length, 40);
  samples.forEach((v, i) => b.writeFloatLE(v, 44 + 4 * i));
  return b;
}

function cosine(a, b) {
  let dot = 0, one = 0, two = 0;
  for (let i = 0; i < a.length; i++) { dot += a[i] * b[i]; one += a[i] * a[i]; two += b[i] * b[i]; }
  return dot / Math.sqrt(one * two);
}

function report(folder, what, cosines) {
  const least = Math.min(...cosines);
  console.log(`${path.basename(folder)}: ${what}: least cosine of ${cosines.length} ${least.toFixed(7)}`);
  if (!(least >= LEAST)) failed = true;
}

async function embed(url, model, fields, file) {
  const form = new FormData();
  for (const [name, value] of Object.entries({ model, ...fields })) form.append(name, value);
  if (file) form.append('file', new Blob([file]), 'sound.wav');
  const response = await fetch(`${url}/v1/audio/embeddings`, { method: 'POST', body: form });
  const answer = await response.json();
  if (!response.ok) throw new Error(`${model}: ${JSON.stringify(answer)}`);
  return answer.embedding;
}

const WHAT = "a dog barking|rain on a roof|an old engine|a church bell|he says 'no'|two birds|a bass drum|the sea at night|a phone|12 ünïcode".split('|');
const WHERE = '|in the distance|, in a room|again and again|by a door|under a bridge|and nothing else|very loud|  with  spaces|(not here)'.split('|');
const texts = WHAT.flatMap((a) => WHERE.map((b) => `${a} ${b}`.trim()));

async function againstTransformersJS(url, folder, rate) {
  const name = path.basename(folder);
  env.allowRemoteModels = false;
  env.localModelPath = path.dirname(folder);
  env.useFSCache = false;
  const processor = await AutoProcessor.from_pretrained(name), tokenizer = await AutoTokenizer.from_pretrained(name);
  const audio = await ClapAudioModelWithProjection.from_pretrained(name, options), text = await ClapTextModelWithProjection.from_pretrained(name, options);
  const sounds = [], words = [];
  for (let i = 0; i < 30; i++) {
    const samples = made(rate, 0.3 + 9.7 * i / 29, i + 1);
    const { audio_embeds: theirs } = await audio(await processor(samples));
    sounds.push(cosine(theirs.data, await embed(url, name, {}, wav(samples, rate))));
  }
  report(folder, 'sounds, transformers.js', sounds);
  for (const one of texts) {
    const { text_embeds: theirs } = await text(await tokenizer(one, { truncation: true }));
    words.push(cosine(theirs.data, await embed(url, name, { text: one })));
  }
  report(folder, 'texts, transformers.js', words);
}

async function againstGolden(url, folder, golden, rate) {
  const name = path.basename(folder);
  const sounds = { caption: [], sound: [] }, words = [];
  for (const c of golden.clips) {
    const file = wav(made(rate, c.seconds, c.seed), rate);
    sounds.caption.push(cosine(c.vector, await embed(url, name, {}, file)));
    if (c.pattern) sounds.sound.push(cosine(c.pattern, await embed(url, name, { space: 'sound' }, file)));
  }
  report(folder, 'sounds, transformers', sounds.caption);
  if (sounds.sound.length) report(folder, 'sounds in the space of sounds, transformers', sounds.sound);
  for (const t of (golden.texts ?? []).filter((one) => one.text)) words.push(cosine(t.vector, await embed(url, name, { text: t.text })));
  if (words.length) report(folder, 'texts, transformers', words);
}

let server;
try {
  fs.mkdirSync(path.join(scratch, 'models'));
  for (const folder of folders) fs.symlinkSync(folder, path.join(scratch, 'models', path.basename(folder)));
  server = await serve(binary, scratch);
  for (const folder of folders) {
    const settings = JSON.parse(fs.readFileSync(path.join(folder, 'preprocessor_config.json'), 'utf8'));
    const config = JSON.parse(fs.readFileSync(path.join(folder, 'config.json'), 'utf8'));
    const golden = [path.join(folder, 'golden.json'), process.env.GOLDEN].find((f) => f && fs.existsSync(f));
    if (config.id2label && config.architectures?.[0]?.endsWith('Classification')) {
      console.log(`${path.basename(folder)}: has labels and no vectors`);
      continue;
    }
    if (golden) await againstGolden(server.url, folder, JSON.parse(fs.readFileSync(golden, 'utf8')), settings.sampling_rate);
    if (fs.existsSync(path.join(folder, 'onnx/audio_model.onnx')) && settings.truncation !== 'fusion') {
      await againstTransformersJS(server.url, folder, settings.sampling_rate);
    } else {
      console.log(`${path.basename(folder)}: compared with transformers alone`);
    }
  }
} finally {
  await server?.stop();
  fs.rmSync(scratch, { recursive: true, force: true });
}
if (failed) process.exitCode = 1;
