// Decodes 24 tokens with onnxruntime-node alone over a folder that BenchmarkLayer
// of services/gama has kept (GRYM_LAYER_DIR), one thread, and prints the
// milliseconds for each: what the server's loop is compared with.
//
//   node gama_speed.mjs FOLDER

import fs from 'node:fs';
import path from 'node:path';
import { createRequire } from 'node:module';

const require = createRequire(createRequire(import.meta.url).resolve('@huggingface/transformers'));
const ort = require('onnxruntime-node');
const folder = path.resolve(process.argv[2]);
const t = JSON.parse(fs.readFileSync(path.join(folder, 'config.json'), 'utf8')).text_config;
const options = { intraOpNumThreads: 1, interOpNumThreads: 1 };
const open = (name) => ort.InferenceSession.create(path.join(folder, 'onnx', name), options);
const [embedder, decoder] = await Promise.all([open('embed_tokens.onnx'), open('decoder_model_merged.onnx')]);
const longs = (values, shape) => new ort.Tensor('int64', BigInt64Array.from(values, BigInt), shape);

for (let round = 0; round < 4; round++) {
  let rows = new ort.Tensor('float32', new Float32Array(130 * t.hidden_size).fill(0.01), [1, 130, t.hidden_size]), done = 0, began = 0;
  let past = {};
  for (let i = 0; i < t.num_hidden_layers; i++) for (const k of ['key', 'value']) past[`past_key_values.${i}.${k}`] = new ort.Tensor('float32', new Float32Array(0), [1, t.num_attention_heads, 0, t.hidden_size / t.num_attention_heads]);
  for (let made = 0; made < 25; made++) {
    const n = rows.dims[1];
    const out = await decoder.run({ ...past, inputs_embeds: rows, attention_mask: longs(new Array(done + n).fill(1), [1, done + n]), position_ids: longs(Array.from({ length: n }, (_, i) => done + i), [1, n]) });
    const last = out.logits.data.subarray(-t.vocab_size);
    let best = 0;
    for (let i = 1; i < last.length; i++) if (last[i] > last[best]) best = i;
    past = Object.fromEntries(Object.entries(out).filter(([k]) => k !== 'logits').map(([k, v]) => [k.replace('present', 'past_key_values'), v]));
    done += n;
    rows = (await embedder.run({ input_ids: longs([best], [1, 1]) })).inputs_embeds;
    if (made === 0) began = performance.now();
  }
  console.log(`${((performance.now() - began) / 24).toFixed(1)} ms a token`);
}
