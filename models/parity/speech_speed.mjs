// Times a transcription of ten seconds three ways, one after the other in every round: a request to a running server,
// transformers.js's pipeline, and onnxruntime-node called with the samples as they go into the graph.
//
//   node speech_speed.mjs BINARY FOLDER [rounds [threads]]
//
// FOLDER is a wav2vec2 CTC model folder. All have so many threads; prints the medians and the medians of the ratios within a
// round, on the clock and, on Linux, of CPU time, the client's part of a request included. CPU time at one thread is what
// compares on a machine that is busy otherwise: with more, idle threads spin.

import { spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { createRequire } from 'node:module';
import { env, pipeline } from '@huggingface/transformers';

const ort = createRequire(createRequire(import.meta.url).resolve('@huggingface/transformers'))('onnxruntime-node');
const [binary, folder] = process.argv.slice(2, 4).map((p) => path.resolve(p));
const rounds = Number(process.argv[4] ?? 10), threads = Number(process.argv[5] ?? os.availableParallelism());
const scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'speed-'));
const rate = 16000, seconds = 10;

// A chirp in noise: the network's work does not depend on what is said.
const pcm = Int16Array.from({ length: seconds * rate }, (_, i) => 8000 * Math.sin(i * i * 1e-6) + 2000 * (Math.random() - 0.5));
const floats = Float32Array.from(pcm, (v) => v / 32768);
const wav = Buffer.alloc(44 + 2 * pcm.length);
wav.write('RIFF', 0); wav.writeUInt32LE(36 + 2 * pcm.length, 4); wav.write('WAVEfmt ', 8);
wav.writeUInt32LE(16, 16); wav.writeUInt16LE(1, 20); wav.writeUInt16LE(1, 22); wav.writeUInt32LE(rate, 24);
wav.writeUInt32LE(2 * rate, 28); wav.writeUInt16LE(2, 32); wav.writeUInt16LE(16, 34);
wav.write('data', 36); wav.writeUInt32LE(2 * pcm.length, 40);
pcm.forEach((v, i) => wav.writeInt16LE(v, 44 + 2 * i));

async function serve() {
  const models = path.join(scratch, 'data', 'models');
  fs.mkdirSync(models, { recursive: true });
  fs.symlinkSync(folder, path.join(models, 'timed'));
  const child = spawn(binary, ['--listen', '127.0.0.1:0', '--data-dir', path.join(scratch, 'data')], {
    stdio: ['ignore', 'ignore', 'pipe'], env: { ...process.env, GOMAXPROCS: String(threads), GRYM_SERVICES__WAV2VEC2__RUNS: '1' },
  });
  const url = await new Promise((resolve, reject) => {
    let log = '';
    child.stderr.on('data', (data) => {
      log += data;
      const found = /"msg":"listening","listen":"([^"]+)"/.exec(log);
      if (found) resolve(`http://${found[1]}`);
    });
    child.on('exit', () => reject(new Error(`the server ended\n${log}`)));
  });
  return { child, url };
}

async function request(url) {
  const form = new FormData();
  form.append('model', 'timed');
  form.append('decoding', 'greedy');
  form.append('file', new Blob([wav]), 'x.wav');
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

const { child, url } = await serve();
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
      const [began, before] = [performance.now(), cpu(child.pid)];
      await ways[way]();
      if (round < 0) continue;
      times[way].push(performance.now() - began);
      spent[way].push(cpu(child.pid) - before);
    }
  }
  for (const way of Object.keys(ways)) {
    const ratio = (list) => median(list.server.map((t, i) => t / list[way][i])).toFixed(3);
    console.log(`${way}: median ${median(times[way]).toFixed(0)} ms, ${median(spent[way]).toFixed(0)} ms of CPU; `
      + `server to it, medians of ${rounds} rounds: ${ratio(times)}, of CPU ${ratio(spent)}`);
  }
} finally {
  child.kill();
  fs.rmSync(scratch, { recursive: true, force: true });
}
