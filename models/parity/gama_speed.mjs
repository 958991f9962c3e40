// Times a model folder in a server against a loop over onnxruntime-node alone, on
// the same files, one thread each, in turns: the machine's moods strike both alike.
// Also the first token of a first question, with a clip of ten seconds, against the
// first token of a follow-up. Prints medians, and the memory of the lease.
//
//   node gama_speed.mjs BINARY FOLDER [PAIRS [TOKENS]]
//
// models/export/gama_random.py --sizes layer and gama.py make a folder of GAMA's
// real sizes. Texts do not matter here: the answer has a fixed number of tokens.

import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { createRequire } from 'node:module';
import { RATE, serve, wav } from './server.mjs';

const require = createRequire(createRequire(import.meta.url).resolve('@huggingface/transformers'));
const ort = require('onnxruntime-node');
const [binary, folder] = process.argv.slice(2, 4).map((p) => path.resolve(p));
const pairs = Number(process.argv[4] ?? 7), tokens = Number(process.argv[5] ?? 32);
const config = JSON.parse(fs.readFileSync(path.join(folder, 'config.json'), 'utf8')), t = config.text_config;
const median = (list) => [...list].sort((a, b) => a - b)[list.length >> 1];

// ---- the server, with a copy of the folder whose answers never end by themselves

const data = fs.mkdtempSync(path.join(os.tmpdir(), 'speed-'));
const model = path.join(data, 'models', 'timed');
fs.mkdirSync(path.join(model, 'onnx'), { recursive: true });
for (const name of fs.readdirSync(folder)) if (name !== 'onnx' && name !== 'clips') fs.copyFileSync(path.join(folder, name), path.join(model, name));
for (const name of fs.readdirSync(path.join(folder, 'onnx'))) fs.symlinkSync(path.join(folder, 'onnx', name), path.join(model, 'onnx', name));
fs.writeFileSync(path.join(model, 'config.json'), JSON.stringify({ ...config, conversation_history: 'none' }));
fs.writeFileSync(path.join(model, 'generation_config.json'), JSON.stringify({ do_sample: false, suppress_tokens: [2], eos_token_id: 2 }));
// As many runs as cores make one thread for each.
const { url, stop } = await serve(binary, data, {
  GRYM_SYSTEMHARDENING__RESOURCEMANAGEMENT__MAXMEMORY: '12GB', GRYM_SYSTEMHARDENING__RESOURCEMANAGEMENT__DYNAMIC: 'off',
  GRYM_SERVICES__GAMA__MAXMEMORY: '11GB', GRYM_SERVICES__GAMA__RUNS: String(os.cpus().length),
});

const tone = Int16Array.from({ length: 10 * RATE }, (_, i) => Math.round(9000 * Math.sin(i / 20 + (i / 4000) ** 2)));
const sound = { type: 'input_audio', input_audio: { data: wav(tone).toString('base64'), format: 'wav' } };

async function ask(context, max, ...parts) {
  const began = performance.now();
  const response = await fetch(`${url}/v1/chat/completions`, {
    method: 'POST', headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ model: 'timed', context_id: context, max_tokens: max, temperature: 0, messages: [{ role: 'user', content: [{ type: 'text', text: 'What can be heard in this clip?' }, ...parts] }] }),
  });
  const body = await response.json();
  if (!response.ok) throw new Error(JSON.stringify(body));
  return { id: body.context_id, usage: body.usage, ms: performance.now() - began };
}

// ---- the loop

const graph = (name) => {
  const dtype = config['transformers.js_config']?.dtype?.[name] ?? 'fp32';
  return path.join(folder, 'onnx', name + { fp32: '', fp16: '_fp16', q8: '_quantized' }[dtype] + '.onnx');
};
const options = { intraOpNumThreads: 1, interOpNumThreads: 1 };
const embedder = await ort.InferenceSession.create(graph('embed_tokens'), options);
const decoder = await ort.InferenceSession.create(graph('decoder_model_merged'), options);
const longs = (values, shape) => new ort.Tensor('int64', BigInt64Array.from(values, BigInt), shape);
const half = decoder.inputMetadata.find((i) => i.name.endsWith('.key')).type === 'float16';
const empty = () => new ort.Tensor(half ? 'float16' : 'float32', half ? new Uint16Array(0) : new Float32Array(0), [1, t.num_key_value_heads ?? t.num_attention_heads, 0, t.head_dim ?? t.hidden_size / t.num_attention_heads]);
const takes = (name) => decoder.inputNames.includes(name);

// loop gives the milliseconds of each token after the first, behind a prompt of so
// many positions.
async function loop(prompt, count) {
  let rows = new ort.Tensor('float32', new Float32Array(prompt * t.hidden_size).fill(0.01), [1, prompt, t.hidden_size]), done = 0, began = 0, past = {};
  for (const name of decoder.inputNames) if (name.startsWith('past_key_values')) past[name] = empty();
  for (let made = 0; made <= count; made++) {
    const n = rows.dims[1];
    const out = await decoder.run({
      ...past, inputs_embeds: rows, attention_mask: longs(new Array(done + n).fill(1), [1, done + n]),
      ...(takes('position_ids') && { position_ids: longs(Array.from({ length: n }, (_, i) => done + i), [1, n]) }),
      ...(takes('num_logits_to_keep') && { num_logits_to_keep: new ort.Tensor('int64', [1n], []) }),
    });
    if (made === 0) began = performance.now();
    if (made === count) break;
    const last = out.logits.data.subarray(-t.vocab_size);
    let best = 0;
    for (let i = 1; i < last.length; i++) if (last[i] > last[best]) best = i;
    past = Object.fromEntries(Object.entries(out).filter(([k]) => k !== 'logits').map(([k, v]) => [k.replace('present', 'past_key_values'), v]));
    done += n;
    rows = (await embedder.run({ input_ids: longs([best], [1, 1]) })).inputs_embeds;
  }
  return (performance.now() - began) / count;
}

// ---- in turns

try {
  const warm = await ask('new', 1, sound);
  await ask(warm.id, 4);
  await loop(warm.usage.prompt_tokens, 4);
  const firsts = [], follows = [], mine = [], theirs = [];
  for (let pair = 0; pair < pairs; pair++) {
    const first = await ask('new', 1, sound);
    firsts.push(first.ms);
    follows.push((await ask(first.id, 1)).ms);
    const timed = async () => {
      const short = await ask(first.id, 1), long = await ask(first.id, tokens + 1);
      if (long.usage.completion_tokens !== tokens + 1) throw new Error(`the answer has ${long.usage.completion_tokens} tokens`);
      mine.push((long.ms - short.ms) / tokens);
    };
    const other = async () => theirs.push(await loop(first.usage.prompt_tokens, tokens));
    if (pair % 2) { await timed(); await other(); } else { await other(); await timed(); }
    await fetch(`${url}/v1/contexts/${first.id}`, { method: 'DELETE' });
  }
  const show = (list) => list.map((v) => v.toFixed(0)).join(' ');
  console.log(`first question, first token: ${median(firsts).toFixed(0)} ms (${show(firsts)})`);
  console.log(`follow-up, first token: ${median(follows).toFixed(0)} ms (${show(follows)}), ratio ${median(follows.map((v, i) => v / firsts[i])).toFixed(3)}`);
  console.log(`a token: server ${median(mine).toFixed(1)} ms (${show(mine)}), loop ${median(theirs).toFixed(1)} ms (${show(theirs)}); speed against the loop, median of pairs: ${median(mine.map((v, i) => theirs[i] / v)).toFixed(3)}`);
} finally {
  await stop();
  fs.rmSync(data, { recursive: true });
}
