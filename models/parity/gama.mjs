// Asks an audio language model folder about sounds with onnxruntime-node and a
// loop of its own, and keeps the token ids as golden values, or compares a server's
// answers with its own.
//
//   node gama.mjs [MODEL_FOLDER]                      write clips and golden values
//   node gama.mjs --check [MODEL_FOLDER]              compare a fresh run with them
//   node gama.mjs --server URL [COUNT [MODEL_FOLDER]] ask the server about COUNT clips that it never saw

import fs from 'node:fs';
import path from 'node:path';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { AutoTokenizer, env } from '@huggingface/transformers';
import { RATE, wav } from './server.mjs';

// The version that transformers.js itself runs on.
const require = createRequire(createRequire(import.meta.url).resolve('@huggingface/transformers'));
const ort = require('onnxruntime-node');

const args = process.argv.slice(2);
const mode = args[0]?.startsWith('--') ? args.shift() : '';
const server = mode === '--server' ? args.shift() : '';
const count = mode === '--server' ? Number(args.shift() ?? 100) : 10;
const here = path.dirname(fileURLToPath(import.meta.url));
const folder = path.resolve(args[0] ?? path.join(here, '..', 'gama-tiny'));
const clips = path.join(folder, 'clips');
const QUESTIONS = ['What do you hear first?', 'What can be heard in this clip?', 'How many sounds can be heard?', 'Is the clip loud or quiet?', 'Describe the sound.'];

const json = (name) => JSON.parse(fs.readFileSync(path.join(folder, name), 'utf8'));
const config = json('config.json'), pre = json('preprocessor_config.json'), generation = json('generation_config.json');

// ---- sounds

// A generator of our own, so that a number means the same clips anywhere.
function random(seed) {
  let s = seed >>> 0;
  return () => { s = (Math.imul(s, 1664525) + 1013904223) >>> 0; return s / 2 ** 32; };
}
const between = (r, a, b) => a * (b / a) ** r();
const strike = (t, attack, decay) => (t < 0 ? 0 : Math.min(t / attack, 1) * Math.exp(-t / decay));
function sweep(n, frequency, tone) {
  let phase = 0;
  return Array.from({ length: n }, (_, i) => { phase += 2 * Math.PI * frequency(i / RATE) / RATE; return tone(phase); });
}
const hits = (r, n, every, one) => {
  const x = new Array(n).fill(0);
  for (let at = 0.03; at * RATE < n - 400; at += every) for (let i = Math.ceil(at * RATE); i < n; i++) x[i] += one(i / RATE - at);
  return x;
};
const SOUNDS = {
  sine(r, n) { const f = between(r, 120, 3000); return sweep(n, () => f, Math.sin); },
  sweep(r, n) { const a = between(r, 150, 500), b = between(r, 1500, 5000); return sweep(n, (t) => a * (b / a) ** (t * RATE / n), Math.sin); },
  siren(r, n) {
    const c = between(r, 600, 1000), rate = between(r, 0.8, 3);
    return sweep(n, (t) => c * Math.exp(0.35 * Math.sin(2 * Math.PI * rate * t)), (p) => Math.sin(p) + 0.4 * Math.sin(2 * p) + 0.25 * Math.sin(3 * p));
  },
  bell(r, n) {
    const f = between(r, 300, 1600), parts = [[0.5, 0.4, 1.6], [1, 1, 1.2], [1.19, 0.5, 1], [1.56, 0.35, 0.8], [2, 0.5, 0.7], [2.51, 0.3, 0.5], [3.01, 0.25, 0.4], [4.1, 0.2, 0.25]];
    return Array.from({ length: n }, (_, i) => parts.reduce((s, [m, a, d]) => s + (f * m < 7600 ? a * Math.sin(2 * Math.PI * f * m * (i / RATE - 0.03)) * strike(i / RATE - 0.03, 0.002, d) : 0), 0));
  },
  noise(r, n) { return Array.from({ length: n }, () => r() + r() + r() - 1.5); },
  kick(r, n) {
    const f = between(r, 40, 65), k = 100 + 120 * r();
    return hits(r, n, 1 / between(r, 1, 4), (t) => Math.sin(2 * Math.PI * (f * t + k * 0.03 * (1 - Math.exp(-t / 0.03)))) * Math.exp(-t / 0.14));
  },
};

// At the loudness of its loudest 50 ms, with edges that do not click.
function shaped(x) {
  let best = 1e-9;
  for (let i = 0; i + 800 <= x.length; i += 800) best = Math.max(best, Math.sqrt(x.slice(i, i + 800).reduce((s, v) => s + v * v, 0) / 800));
  return x.map((v, i) => v / best * Math.min(1, i / 80, (x.length - 1 - i) / 80));
}

function clip(seed) {
  const r = random(seed * 7919 + 17), names = Object.keys(SOUNDS);
  for (let i = 0; i < 8; i++) r();
  const pick = () => names[Math.floor(r() * names.length)];
  const one = (n) => { const name = pick(); return [name, shaped(SOUNDS[name](r, n))]; };
  let what, x;
  if (seed === 0 || r() < 0.4) {
    const [a, b] = seed === 0 ? [['bell', shaped(SOUNDS.bell(random(3), 16000))], ['siren', shaped(SOUNDS.siren(random(5), 16000))]] : [one(14000), one(14000)];
    what = `${a[0]}, then ${b[0]}`;
    x = [...new Array(600).fill(0), ...a[1], ...new Array(2400).fill(0), ...b[1], ...new Array(600).fill(0)];
  } else {
    [what, x] = one(16000 + Math.floor(r() * 12000));
  }
  const level = 10 ** (-(6 + 30 * r()) / 20);
  return { what, samples: Int16Array.from(x, (v) => Math.round(Math.max(-1, Math.min(1, v * level + (r() - 0.5) * 0.0008)) * 32767)) };
}

// ---- features: Kaldi's filter bank from its definition, in double precision

const LENGTH = 400, SHIFT = 160, POINTS = 512, BINS = pre.num_mel_bins;
const mel = (f) => 1127 * Math.log(1 + f / 700);
const bank = (() => {
  const low = mel(20), step = (mel(RATE / 2) - low) / (BINS + 1);
  return Array.from({ length: BINS }, (_, m) => Array.from({ length: POINTS / 2 }, (_, k) => {
    const at = (mel(RATE * k / POINTS) - low) / step - m; // 0 at the left foot, 1 at the top, 2 at the right foot
    return Math.max(0, Math.min(at, 2 - at));
  }));
})();

function fft(re, im) { // radix 2, in place
  for (let i = 1, j = 0; i < POINTS; i++) {
    let bit = POINTS >> 1;
    for (; j & bit; bit >>= 1) j ^= bit;
    j ^= bit;
    if (i < j) { [re[i], re[j]] = [re[j], re[i]]; [im[i], im[j]] = [im[j], im[i]]; }
  }
  for (let size = 2; size <= POINTS; size *= 2) {
    for (let start = 0; start < POINTS; start += size) {
      for (let k = 0; k < size / 2; k++) {
        const w = -2 * Math.PI * k / size, a = start + k, b = a + size / 2;
        const x = re[b] * Math.cos(w) - im[b] * Math.sin(w), y = re[b] * Math.sin(w) + im[b] * Math.cos(w);
        [re[b], im[b], re[a], im[a]] = [re[a] - x, im[a] - y, re[a] + x, im[a] + y];
      }
    }
  }
}

function features(ints) {
  let x = Float64Array.from(ints, (v) => v / 32768);
  if (pre.subtract_clip_mean) { const mean = x.reduce((s, v) => s + v, 0) / x.length; x = x.map((v) => v - mean); }
  const frames = 1 + Math.floor((x.length - LENGTH) / SHIFT), out = new Float32Array(frames * BINS);
  for (let f = 0; f < frames; f++) {
    let frame = x.slice(f * SHIFT, f * SHIFT + LENGTH);
    const mean = frame.reduce((s, v) => s + v, 0) / LENGTH;
    frame = frame.map((v) => v - mean);
    const re = new Float64Array(POINTS), im = new Float64Array(POINTS);
    frame.forEach((v, i) => { re[i] = (v - 0.97 * frame[Math.max(0, i - 1)]) * (0.5 - 0.5 * Math.cos(2 * Math.PI * i / (LENGTH - 1))); });
    fft(re, im);
    bank.forEach((weights, m) => {
      let e = 0;
      weights.forEach((w, k) => { e += w * (re[k] ** 2 + im[k] ** 2); });
      out[f * BINS + m] = (Math.log(Math.max(e, 1.1920928955078125e-7)) - pre.mean) / pre.std;
    });
  }
  return new ort.Tensor('float32', out, [1, frames, BINS]);
}

// ---- the model

const options = { intraOpNumThreads: 1, interOpNumThreads: 1 };
const open = (name) => ort.InferenceSession.create(path.join(folder, 'onnx', name), options);
const [encoder, embedder, decoder] = await Promise.all([open('audio_encoder.onnx'), open('embed_tokens.onnx'), open('decoder_model_merged.onnx')]);
env.allowRemoteModels = false;
env.localModelPath = path.dirname(folder);
env.useFSCache = false;
const tokenizer = await AutoTokenizer.from_pretrained(path.basename(folder));

const { hidden_size: hidden, num_hidden_layers: layers, num_key_value_heads: heads, head_dim: dim, vocab_size: vocabulary } = config.text_config;
const longs = (values, shape) => new ort.Tensor('int64', BigInt64Array.from(values, BigInt), shape);
const embed = async (ids) => (await embedder.run({ input_ids: longs(ids, [1, ids.length]) })).inputs_embeds.data;

async function answer(samples, question) {
  const { audio_features: sound } = await encoder.run({ input_features: features(samples) });
  const ids = [config.bos_token_id, ...tokenizer.encode(config.prompt_template.replace('{question}', question), { add_special_tokens: false })];
  const words = await embed(ids);
  let rows = new Float32Array(sound.data.length + words.length), done = 0;
  rows.set(sound.data);
  rows.set(words, sound.data.length);
  let past = {}, made = [];
  for (let i = 0; i < layers; i++) for (const k of ['key', 'value']) past[`past_key_values.${i}.${k}`] = new ort.Tensor('float32', new Float32Array(0), [1, heads, 0, dim]);
  while (made.length < generation.max_new_tokens) {
    const n = rows.length / hidden;
    const out = await decoder.run({
      ...past, inputs_embeds: new ort.Tensor('float32', rows, [1, n, hidden]),
      attention_mask: longs(new Array(done + n).fill(1), [1, done + n]), position_ids: longs(Array.from({ length: n }, (_, i) => done + i), [1, n]),
    });
    const last = out.logits.data.slice(-vocabulary);
    let best = 0;
    last.forEach((v, i) => { if (v > last[best]) best = i; });
    made.push(best);
    if (best === config.eos_token_id) break;
    past = Object.fromEntries(Object.entries(out).filter(([k]) => k !== 'logits').map(([k, v]) => [k.replace('present', 'past_key_values'), v]));
    done += n;
    rows = await embed([best]);
  }
  return { ids: made, text: tokenizer.decode(made, { skip_special_tokens: true }).trim(), prompt: ids.length + sound.dims[1] };
}

async function ask(samples, question) {
  const content = [{ type: 'text', text: question }, { type: 'input_audio', input_audio: { data: wav(samples).toString('base64'), format: 'wav' } }];
  const response = await fetch(new URL('/v1/chat/completions', server), {
    method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ messages: [{ role: 'user', content }], temperature: 0 }),
  });
  const body = await response.json();
  if (!response.ok) throw new Error(JSON.stringify(body));
  return { text: body.choices[0].message.content, made: body.usage.completion_tokens, prompt: body.usage.prompt_tokens };
}

// How the model calls the sounds above.
const SPOKEN = { sine: 'sine tone', sweep: 'sweep', siren: 'siren', bell: 'bell', noise: 'white noise', kick: 'kick drum' };
const named = (what, text) => what.split(', then ').every((name) => text.includes(SPOKEN[name]));

let wrong = 0, asked = 0;
if (server) {
  let right = 0, swapped = 0, other = clip(999 + count).what;
  for (let seed = 1000; seed < 1000 + count; seed++) {
    const { what, samples } = clip(seed);
    for (const question of QUESTIONS) {
      const mine = await answer(samples, question), theirs = await ask(samples, question);
      asked++;
      if (question === QUESTIONS[1]) { right += named(what, theirs.text); swapped += named(other, theirs.text); other = what; }
      if (mine.text !== theirs.text || mine.ids.length !== theirs.made || mine.prompt !== theirs.prompt) {
        wrong++;
        console.error(`clip ${seed} (${what}), ${question}: ${mine.text} [${mine.ids.length}], the server: ${theirs.text} [${theirs.made}]`);
      }
    }
  }
  console.log(`every sound named in ${right} of ${count} clips; those of another clip in ${swapped}`);
} else {
  const fresh = [];
  for (let seed = 0; seed < count; seed++) {
    const { what, samples } = clip(seed), file = `clip${String(seed).padStart(2, '0')}.wav`;
    const answers = [];
    for (const question of QUESTIONS) { const { ids, text } = await answer(samples, question); answers.push({ question, ids, text }); }
    fresh.push({ file, what, answers });
    asked += answers.length;
    if (mode === '--check') {
      if (!wav(samples).equals(fs.readFileSync(path.join(clips, file)))) console.error(`${file} is not what this machine makes`);
    } else {
      fs.mkdirSync(clips, { recursive: true });
      fs.writeFileSync(path.join(clips, file), wav(samples));
    }
  }
  const goldenFile = path.join(clips, 'golden.json');
  if (mode === '--check') {
    JSON.parse(fs.readFileSync(goldenFile, 'utf8')).forEach((golden, i) => golden.answers.forEach((a, k) => {
      if (JSON.stringify(a.ids) !== JSON.stringify(fresh[i].answers[k].ids)) { wrong++; console.error(`${golden.file}, ${a.question}: ${a.text}, now ${fresh[i].answers[k].text}`); }
    }));
  } else {
    fs.writeFileSync(goldenFile, '[\n' + fresh.map((f) => JSON.stringify(f)).join(',\n') + '\n]\n');
  }
}
console.log(`${asked} answers, ${wrong} differ`);
if (wrong) process.exitCode = 1;
