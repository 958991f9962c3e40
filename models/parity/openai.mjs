// Asks about a sound with OpenAI's own client, streamed and not, in a conversation
// too, against a server that it starts.
//
//   node openai.mjs [BINARY]    default: ../../bin/grym-synth

import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import OpenAI from 'openai';
import { serve } from './server.mjs';

const root = path.resolve(import.meta.dirname, '..', '..');
const binary = path.resolve(process.argv[2] ?? path.join(root, 'bin', 'grym-synth'));
const clips = path.join(root, 'models', 'gama-tiny', 'clips');
const golden = JSON.parse(fs.readFileSync(path.join(clips, 'golden.json'), 'utf8'));

const sound = (file) => ({ type: 'input_audio', input_audio: { data: fs.readFileSync(path.join(clips, file)).toString('base64'), format: 'wav' } });
const ask = (question, ...parts) => [{ role: 'user', content: [{ type: 'text', text: question }, ...parts] }];

const data = fs.mkdtempSync(path.join(os.tmpdir(), 'openai-'));
const { url, stop } = await serve(binary, data);
try {
  const client = new OpenAI({ apiKey: 'none', baseURL: `${url}/v1`, maxRetries: 0 });
  let asked = 0;
  for (const clip of golden) {
    for (const { question, text, ids } of clip.answers) {
      const request = { model: 'gama-tiny', messages: ask(question, sound(clip.file)), temperature: 0 };
      const whole = await client.chat.completions.create(request);
      assert.equal(whole.choices[0].message.content, text);
      assert.equal(whole.choices[0].finish_reason, 'stop');
      assert.equal(whole.usage.completion_tokens, ids.length);
      let streamed = '', usage, pieces = 0, finish;
      for await (const chunk of await client.chat.completions.create({ ...request, stream: true, stream_options: { include_usage: true } })) {
        streamed += chunk.choices[0]?.delta?.content ?? '';
        finish = chunk.choices[0]?.finish_reason ?? finish;
        usage = chunk.usage ?? usage;
        pieces++;
      }
      assert.equal(streamed, text);
      assert.equal(finish, 'stop');
      assert.deepEqual(usage, whole.usage);
      assert.ok(pieces > 3, 'the answer comes in pieces');
      asked += 2;
    }
  }
  const first = await client.chat.completions.create({ model: 'gama-tiny', messages: ask(golden[0].answers[0].question, sound(golden[0].file)), context_id: 'new' });
  const next = await client.chat.completions.create({ model: 'gama-tiny', messages: ask(golden[0].answers[1].question), context_id: first.context_id });
  assert.equal(next.choices[0].message.content, golden[0].answers[1].text);
  assert.ok(next.usage.prompt_tokens_details.cached_tokens > 0);
  const models = await client.models.list();
  assert.ok(models.data.some(({ id }) => id === 'gama-tiny'));
  await assert.rejects(client.chat.completions.create({ model: 'gama-tiny', messages: ask('x', sound(golden[0].file)), n: 2 }), (error) => error instanceof OpenAI.BadRequestError && error.param === 'n');
  await assert.rejects(client.chat.completions.create({ model: 'nobody', messages: ask('x', sound(golden[0].file)) }), OpenAI.NotFoundError);
  console.log(`${asked + 2} answers as they should be, 2 refusals`);
} finally {
  await stop();
  fs.rmSync(data, { recursive: true });
}
