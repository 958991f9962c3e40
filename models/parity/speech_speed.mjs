// Times a transcription of ten seconds three ways, one after the other in every round: a request to a running server,
// transformers.js's pipeline, and onnxruntime-node called with the samples as they go into the graph.
//
//   node speech_speed.mjs BINARY FOLDER [rounds [threads]]
//
// FOLDER is a wav2vec2 CTC model folder. All have so many threads; prints the medians and the medians of the ratios within a
// round, on the clock and, on Linux, of CPU time, the client's part of a request included. CPU time at one thread is what
// compares on a machine that is busy otherwise: with more, idle threads spin.

import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { createRequire } from 'node:module';
import { env, pipeline } from '@huggingface/transformers';
import { RATE, serve, wav } from './server.mjs';

const ort = createRequire(createRequire(import.meta.url).resolve('@huggingface/transformers'))('onnxruntime-node');
const [binary, folder] = process.argv.slice(2, 4).map((p) => path.resolve(p));
const rounds = Number(process.argv[4] ?? 10), threads = Number(process.argv[5] ?? os.availableParallelism());
const scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'speed-'));
const seconds = 10;

// A chirp in noise: the network's work does not depend on what is said.
const pcm = Int16Array.from({ length: seconds * RATE }, (_, i) => 8000 * Math.sin(i * i * 1e-6) + 2000 * (Math.random() - 0.5));
const floats = Float32Array.from(pcm, (v) => v / 32768);
const recording = wav(pcm);

function models() {
  const to = path.join(scratch, 'data', 'models');
  fs.mkdirSync(to, { recursive: true });
  fs.symlinkSync(folder, path.join(to, 'timed'));
  return path.dirname(to);
}

async function request(url) {
  const form = new FormData();
  form.append('model', 'timed');
  form.append('decoding', 'greedy');
  form.append('file', new Blob([recording]), 'x.wav');
  const response = await fetch(`${url}/v1/audio/transcriptions`, { method: 'POST', body: form });
  const body = await response.text();
  if (!response.ok) throw new Error(body);
  return JSON.parse(body).text;
}

function stage() {
  const staged = path.join(scratch, 'stage', 'model');
  fs.mkdirSync(path.join(staged, 'onnx'), { recursive: true });
  for (const f of fs.readdirSync(folder)) {
    if (f.endsWith('.json')) fs.copyFileSync(path.join(folder, f), path.join(staged, f));
    if (f.endsWith('.onnx')) fs.symlinkSync(path.join(folder, f), path.join(staged, 'onnx', f));
  }
  env.allowRemoteModels = false;
  env.localModelPath = path.dirname(staged);
  env.useFSCache = false;
}

// Milliseconds of CPU that this process and the server have used; the kernel counts the latter in hundredths of a second.
function cpu(pid) {
  const { user, system } = process.cpuUsage();
  const stat = fs.existsSync(`/proc/${pid}/stat`) ? fs.readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ') : [];
  return (user + system) / 1000 + 10 * (Number(stat[11] ?? 0) + Number(stat[12] ?? 0));
}

const median = (list) => list.toSorted((a, b) => a - b)[list.length >> 1];

const { url, pid, stop } = await serve(binary, models(), { GOMAXPROCS: String(threads), GRYM_SERVICES__WAV2VEC2__RUNS: '1' });
try {
  stage();
  const options = { intraOpNumThreads: threads, interOpNumThreads: 1 };
  const recognise = await pipeline('automatic-speech-recognition', 'model', { device: 'cpu', dtype: 'fp32', session_options: options });
  const session = await ort.InferenceSession.create(path.join(folder, 'model.onnx'), options);
  const mean = floats.reduce((a, b) => a + b) / floats.length;
  const deviation = Math.sqrt(floats.reduce((a, b) => a + (b - mean) ** 2, 0) / floats.length + 1e-7);
  const input = new ort.Tensor('float32', floats.map((v) => (v - mean) / deviation), [1, floats.length]);
  const ways = {
    server: () => request(url),
    'transformers.js': () => recognise(floats),
    onnxruntime: () => session.run({ input_values: input }),
  };
  const times = Object.fromEntries(Object.keys(ways).map((k) => [k, []]));
  const spent = structuredClone(times);
  for (let round = -1; round < rounds; round++) { // the first warms up
    const order = Object.keys(ways);
    for (let i = 0; i < order.length; i++) { // each goes first in turn
      const way = order[(i + round + order.length) % order.length];
      // The pools of the others spin for a moment after their work.
      await new Promise((resolve) => setTimeout(resolve, 100));
      const [began, before] = [performance.now(), cpu(pid)];
      await ways[way]();
      if (round < 0) continue;
      times[way].push(performance.now() - began);
      spent[way].push(cpu(pid) - before);
    }
  }
  for (const way of Object.keys(ways)) {
    const ratio = (list) => median(list.server.map((t, i) => t / list[way][i])).toFixed(3);
    console.log(`${way}: median ${median(times[way]).toFixed(0)} ms, ${median(spent[way]).toFixed(0)} ms of CPU; `
      + `server to it, medians of ${rounds} rounds: ${ratio(times)}, of CPU ${ratio(spent)}`);
  }
} finally {
  await stop();
  fs.rmSync(scratch, { recursive: true, force: true });
}
