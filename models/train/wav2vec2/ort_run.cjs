// Run a model folder's model.onnx over clips: ort_run.cjs MODEL CLIPS.f32 LENGTHS.json OUT.f32
// Prints the frame counts as JSON; OUT holds the logits of all clips, 32 a frame.
const fs = require("fs");
const ort = require("onnxruntime-node");

(async () => {
  const [model, clips, lengths, out] = process.argv.slice(2);
  const b = fs.readFileSync(clips);
  const x = new Float32Array(b.buffer, b.byteOffset, b.length / 4);
  const s = await ort.InferenceSession.create(model, { intraOpNumThreads: 1, interOpNumThreads: 1 });
  const fd = fs.openSync(out, "w");
  const frames = [];
  let at = 0;
  for (const n of JSON.parse(fs.readFileSync(lengths))) {
    const t = new ort.Tensor("float32", x.slice(at, at + n), [1, n]);
    at += n;
    const y = (await s.run({ input_values: t })).logits;
    frames.push(y.dims[1]);
    fs.writeSync(fd, Buffer.from(y.data.buffer, y.data.byteOffset, y.data.length * 4));
  }
  fs.closeSync(fd);
  console.log(JSON.stringify(frames));
})();
