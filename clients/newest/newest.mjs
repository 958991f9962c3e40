// Calls a server, which it starts, with the newest clients: OpenAI's for npm, Vercel's AI SDK and LangChain.
//
//   node newest.mjs [BINARY]    default: ../../bin/grym-synth
//
// With the variable PYTHON, an interpreter, newest.py calls the same server with OpenAI's Python client.
// Prints a table of clients and calls; exits with an error if one of them fails.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { createOpenAI } from '@ai-sdk/openai';
import { HumanMessage, SystemMessage } from '@langchain/core/messages';
import { ChatOpenAI } from '@langchain/openai';
import * as ai from 'ai';
import OpenAI from 'openai';
import { serve } from '../../models/parity/server.mjs';

const root = path.resolve(import.meta.dirname, '..', '..');
const binary = path.resolve(process.argv[2] ?? path.join(root, 'bin', 'grym-synth'));
const speech = path.join(root, 'models', 'wav2vec2-tiny', 'clips', 'clip09.wav');
const words = 'MUTE TRACK ONE';
const clips = path.join(root, 'models', 'gama-tiny', 'clips');
const { file: clip, answers: [{ question, text: answer }] } = JSON.parse(fs.readFileSync(path.join(clips, 'golden.json'), 'utf8'))[0];
const sound = fs.readFileSync(path.join(clips, clip));
const apiKey = 'sk-not-needed';

const data = fs.mkdtempSync(path.join(os.tmpdir(), 'newest-'));
const { url, stop } = await serve(binary, data);
const baseURL = `${url}/v1`;

const official = new OpenAI({ baseURL, apiKey, maxRetries: 0 });
const transcription = (options) => official.audio.transcriptions.create({ file: fs.createReadStream(speech), model: 'whisper-1', ...options });
const messages = [
  { role: 'system', content: 'You are a helpful assistant.' },
  { role: 'user', content: [{ type: 'text', text: question },
    { type: 'input_audio', input_audio: { data: sound.toString('base64'), format: 'wav' } }] },
];
const collect = async (stream, text) => {
  let all = '';
  for await (const part of stream) all += text(part) ?? '';
  return all;
};

const sdk = createOpenAI({ baseURL, apiKey });
const transcribe = ai.transcribe ?? ai.experimental_transcribe;
const prompt = {
  model: sdk.chat('gama-tiny'), temperature: 0, maxRetries: 0, instructions: 'You are a helpful assistant.',
  messages: [{ role: 'user', content: [{ type: 'text', text: question }, { type: 'file', mediaType: 'audio/wav', data: sound }] }],
};

const chain = new ChatOpenAI({ model: 'gama-tiny', apiKey, temperature: 0, maxRetries: 0, configuration: { baseURL } });
const chainMessages = [new SystemMessage('You are a helpful assistant.'), new HumanMessage({ content: messages[1].content })];

const calls = {
  'openai (npm)': {
    json: async () => assert.equal((await transcription()).text, words),
    text: async () => assert.equal(await transcription({ response_format: 'text' }), `${words}\n`),
    srt: async () => assert.match(await transcription({ response_format: 'srt' }), /^1\n00:00:00,/),
    vtt: async () => assert.match(await transcription({ response_format: 'vtt' }), /^WEBVTT/),
    verbose_json: async () => {
      const { segments: [segment] } = await transcription({ response_format: 'verbose_json', timestamp_granularities: ['word', 'segment'] });
      assert.equal(segment.text, words);
      assert.ok(segment.tokens.length > 0 && segment.avg_logprob < 0);
    },
    logprobs: async () => assert.equal((await transcription({ include: ['logprobs'] })).logprobs.map((l) => l.token).join(''), words),
    stream: async () => assert.equal(await collect(await transcription({ stream: true, chunking_strategy: { type: 'server_vad' } }), (e) => e.delta), words),
    chat: async () => {
      const { choices: [{ message }] } = await official.chat.completions.create({ model: 'gama-tiny', messages, temperature: 0 });
      assert.equal(message.content, answer);
      const next = await official.chat.completions.create({ model: 'gama-tiny', messages: [...messages, message, { role: 'user', content: question }] });
      assert.ok(next.choices[0].message.content);
    },
    'chat streamed': async () => {
      const stream = await official.chat.completions.create({ model: 'gama-tiny', messages, temperature: 0, stream: true, stream_options: { include_usage: true } });
      assert.equal(await collect(stream, (c) => c.choices[0]?.delta?.content), answer);
    },
    models: async () => assert.ok((await official.models.list()).data.some(({ id }) => id === 'whisper-1')),
    errors: async () => {
      await assert.rejects(transcription({ model: 'nobody' }), OpenAI.NotFoundError);
      await assert.rejects(official.chat.completions.create({ model: 'gama-tiny', messages, n: 2 }), (e) => e instanceof OpenAI.BadRequestError && e.param === 'n');
    },
  },
  'AI SDK': {
    verbose_json: async () => {
      const result = await transcribe({ model: sdk.transcription('whisper-1'), audio: fs.readFileSync(speech), maxRetries: 0 });
      assert.equal(result.text, words);
      assert.ok(result.segments.length > 0 && result.durationInSeconds > 1);
    },
    json: async () => assert.equal((await transcribe({ model: sdk.transcription('gpt-4o-transcribe'), audio: fs.readFileSync(speech) })).text, words),
    chat: async () => assert.equal((await ai.generateText(prompt)).text, answer),
    'chat streamed': async () => assert.equal(await collect(ai.streamText(prompt).textStream, (t) => t), answer),
    errors: async () => assert.rejects(transcribe({ model: sdk.transcription('nobody'), audio: fs.readFileSync(speech), maxRetries: 0 }), /does not exist/),
  },
  LangChain: {
    chat: async () => assert.equal((await chain.invoke(chainMessages)).content, answer),
    'chat streamed': async () => assert.equal(await collect(await chain.stream(chainMessages), (m) => m.content), answer),
    errors: async () => assert.rejects(new ChatOpenAI({ model: 'nobody', apiKey, maxRetries: 0, configuration: { baseURL } }).invoke(chainMessages), /nobody/),
  },
};

let failed = 0;
try {
  for (const [client, table] of Object.entries(calls)) {
    for (const [call, run] of Object.entries(table)) {
      const outcome = await run().then(() => 'ok', (error) => { failed++; return `FAILED: ${error?.stack ?? error}`; });
      console.log(`${client.padEnd(14)} ${call.padEnd(14)} ${outcome}`);
    }
  }
  if (process.env.PYTHON) {
    const python = spawn(process.env.PYTHON, ['newest.py', url], { cwd: import.meta.dirname, stdio: 'inherit' });
    failed += (await once(python, 'exit'))[0] === 0 ? 0 : 1;
  }
} finally {
  await stop();
  fs.rmSync(data, { recursive: true });
}
process.exitCode = failed ? 1 : 0;
