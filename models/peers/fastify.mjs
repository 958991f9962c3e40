// A transcription server as people write it with transformers.js and fastify, for the comparison of bench.py.
//
//   node fastify.mjs FOLDER THREADS
//
// FOLDER is a wav2vec2 CTC folder with the graph in onnx/. It prints its address and answers POST / with a form with a WAV file
// of 16 bits, mono, at 16 kHz.

import path from 'node:path';
import fastify from 'fastify';
import multipart from '@fastify/multipart';
import { env, pipeline } from '@huggingface/transformers';

const folder = path.resolve(process.argv[2]), threads = Number(process.argv[3]);
env.allowRemoteModels = false;
env.localModelPath = path.dirname(folder);
env.useFSCache = false;
const recognise = await pipeline('automatic-speech-recognition', path.basename(folder), {
  device: 'cpu', dtype: 'fp32', session_options: { intraOpNumThreads: threads, interOpNumThreads: 1 },
});

const app = fastify();
await app.register(multipart, { limits: { fileSize: 64 << 20 } });
app.post('/', async (request) => {
  const file = await (await request.file()).toBuffer();
  const samples = new Float32Array((file.length - 44) >> 1);
  for (let i = 0; i < samples.length; i++) samples[i] = file.readInt16LE(44 + 2 * i) / 32768;
  return recognise(samples);
});
console.log(await app.listen({ host: '127.0.0.1', port: 0 }));
