// Runs the graphs of a list of cases with onnxruntime-node and writes their outputs
// as float32. check.py makes the list and compares.
//
//   node run.mjs FOLDER

import fs from 'node:fs';
import path from 'node:path';
import { createRequire } from 'node:module';

const parity = path.join(import.meta.dirname, '..', '..', 'parity', 'package.json');
const ort = createRequire(createRequire(parity).resolve('@huggingface/transformers'))('onnxruntime-node');
const folder = process.argv[2];
const ARRAYS = { float32: Float32Array, int64: BigInt64Array, float16: Uint16Array };

function half(bits) {
  const sign = bits >> 15 ? -1 : 1, exponent = (bits >> 10) & 31, fraction = bits & 1023;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (exponent ? 2 ** (exponent - 15) * (1 + fraction / 1024) : 2 ** -14 * fraction / 1024);
}

let open, session;
for (const { graph, inputs, outputs } of JSON.parse(fs.readFileSync(path.join(folder, 'cases.json'), 'utf8'))) {
  if (open !== graph) {
    await session?.release();
    [open, session] = [graph, await ort.InferenceSession.create(graph)];
  }
  const feeds = {};
  for (const [name, { file, type, dims }] of Object.entries(inputs)) {
    const raw = fs.readFileSync(path.join(folder, file));
    feeds[name] = new ort.Tensor(type, new ARRAYS[type](raw.buffer.slice(raw.byteOffset, raw.byteOffset + raw.length)), dims);
  }
  const result = await session.run(feeds);
  for (const [name, file] of Object.entries(outputs)) {
    const { type, data } = result[name];
    const values = type === 'float16' && data instanceof Uint16Array ? Float32Array.from(data, half) : Float32Array.from(data);
    fs.writeFileSync(path.join(folder, file), Buffer.from(values.buffer));
  }
}
