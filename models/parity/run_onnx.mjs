// Runs a graph over inputs in files: run_onnx.mjs MODEL SPEC.json
// SPEC is a list of {feeds: {name: {file, dims, type}}, out}. The first output of each goes to its file as float32; the
// shapes are printed as JSON.
import fs from 'node:fs';
import ort from 'onnxruntime-node';

const [model, spec] = process.argv.slice(2);
const session = await ort.InferenceSession.create(model, { intraOpNumThreads: 1, interOpNumThreads: 1 });
const dims = [];
for (const { feeds, out } of JSON.parse(fs.readFileSync(spec))) {
  const inputs = {};
  for (const [name, { file, dims, type }] of Object.entries(feeds)) {
    const bytes = fs.readFileSync(file);
    const copy = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length);
    inputs[name] = new ort.Tensor(type, type === 'int64' ? new BigInt64Array(copy) : new Float32Array(copy), dims);
  }
  const result = (await session.run(inputs))[session.outputNames[0]];
  fs.writeFileSync(out, Buffer.from(result.data.buffer, result.data.byteOffset, result.data.byteLength));
  dims.push(result.dims);
}
console.log(JSON.stringify(dims));
