// Checks the transcriptions and translations of a running server with the official OpenAI client.
//
//   node transcriptions.mjs URL SPEECH.wav "THE WORDS IN IT" LIMIT
//
// LIMIT is the server's api.maxUpload in bytes. Exits with an error at the first deviation from OpenAI's documentation.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import OpenAI, { toFile } from 'openai';

const [url, speech, words, limit] = process.argv.slice(2);
const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: 'unused', maxRetries: 0 });
const file = () => fs.createReadStream(speech);
const ask = (options) => client.audio.transcriptions.create({ file: file(), model: 'wav2vec2-tiny', ...options });

// Five formats.
const json = await ask({});
assert.equal(json.text, words);
assert.equal(json.usage.type, 'duration');
assert.equal(await ask({ response_format: 'text' }), `${words}\n`);
assert.match(await ask({ response_format: 'srt' }), /^1\n00:00:00,\d{3} --> 00:00:0\d,\d{3}\n/);
assert.match(await ask({ response_format: 'vtt' }), /^WEBVTT\n\n00:00:00\.\d{3} --> /);
const verbose = await ask({
  response_format: 'verbose_json', timestamp_granularities: ['word', 'segment'], language: 'en', temperature: 0.2,
  prompt: words.toLowerCase(),
});
assert.equal(verbose.text, words);
assert.equal(verbose.language, 'en');
assert.ok(verbose.duration > 1);
assert.deepEqual(verbose.words.map((w) => w.word), words.split(' '));
assert.ok(verbose.words.every((w, i) => w.end > w.start && (i === 0 || w.start >= verbose.words[i - 1].end)));
assert.equal(verbose.segments[0].id, 0);
const segments = await ask({ response_format: 'verbose_json', timestamp_granularities: ['segment'] });
assert.equal(segments.words, undefined);

// Streaming.
const events = [];
for await (const event of await ask({ stream: true, chunking_strategy: 'auto' })) events.push(event);
assert.deepEqual([...new Set(events.map((e) => e.type))], ['transcript.text.delta', 'transcript.text.done']);
assert.equal(events.at(-1).type, 'transcript.text.done');
assert.equal(events.at(-1).text, words);
assert.equal(events.slice(0, -1).map((e) => e.delta).join(''), words);

// Scores, streamed too, and OpenAI's other fields.
const scored = await ask({ include: ['logprobs'], chunking_strategy: { type: 'server_vad', threshold: 0.5 } });
assert.equal(scored.text, words);
assert.equal(scored.logprobs.map((l) => l.token).join(''), words);
assert.ok(scored.logprobs.every((l) => l.logprob <= 0 && Buffer.from(l.bytes).toString() === l.token));
const streamed = [];
for await (const event of await ask({ stream: true, include: ['logprobs'] })) streamed.push(...(event.delta ? event.logprobs : []));
assert.deepEqual(streamed.map((l) => l.token).join(''), words);
for (const segment of segments.segments) {
  for (const name of ['seek', 'temperature', 'avg_logprob', 'compression_ratio', 'no_speech_prob']) assert.equal(typeof segment[name], 'number', name);
  assert.ok(segment.tokens.length > 0);
}

// The models.
const models = [];
for await (const model of client.models.list()) models.push(model.id);
assert.ok(models.includes('wav2vec2-tiny'));
assert.equal((await client.models.retrieve('wav2vec2-tiny')).object, 'model');

// The names that the client's own documentation uses.
for (const model of ['whisper-1', 'gpt-4o-transcribe', 'gpt-4o-mini-transcribe']) {
  const { data, response } = await client.audio.transcriptions.create({ file: file(), model, user_note: 'x' }).withResponse();
  assert.equal(data.text, words);
  assert.equal(response.headers.get('grym-model'), 'wav2vec2-tiny');
  assert.equal(response.headers.get('grym-warning'), 'unknown_field');
  const listed = await client.models.retrieve(model);
  assert.equal(listed.owned_by, 'alias');
  assert.equal(typeof listed.created, 'number');
  assert.ok(models.includes(model));
}

// Translations, by a model with random weights and by the name of OpenAI's documentation.
const translate = (options) => client.audio.translations.create({ file: file(), model: 'many', ...options });
const english = await translate({});
assert.equal(typeof english.text, 'string');
assert.equal((await translate({ response_format: 'verbose_json' })).text, english.text);
assert.equal((await translate({ response_format: 'verbose_json', prompt: 'x', temperature: 0.2 })).task, 'translate');
assert.equal(await translate({ response_format: 'text' }), `${english.text}\n`);
assert.match(await translate({ response_format: 'vtt' }), /^WEBVTT\n\n/);
assert.match(await translate({ response_format: 'srt' }), /^1\n00:00:00,\d{3} --> /);
assert.equal((await translate({ model: 'whisper-1' })).text, english.text);

// A recording that is cut short is transcribed up to the cut.
const cut = await ask({ file: await toFile(fs.readFileSync(speech).subarray(0, 16000), 'x.wav') });
assert.equal(typeof cut.text, 'string');

// Errors, by class.
async function fails(promise, kind, status, code, text) {
  const error = await promise.then(() => assert.fail(`no ${kind.name}`), (e) => e);
  assert.ok(error instanceof kind, `${error.constructor.name} is no ${kind.name}: ${error}`);
  assert.equal(error.status, status);
  assert.equal(error.code, code);
  assert.match(error.message, text);
  assert.ok(error.requestID, 'an id to ask about');
}
await fails(ask({ model: 'whisper-9' }), OpenAI.NotFoundError, 404, 'model_not_found', /"whisper-9" does not exist/);
await fails(ask({ file: await toFile(Buffer.from('not a recording\n'), 'x.mp3') }), OpenAI.APIError, 415, 'unsupported_format', /file is text/);
await fails(ask({ known_speaker_names: ['me'] }), OpenAI.BadRequestError, 400, 'invalid_value', /known_speaker_names\[\] is not supported/);
await fails(ask({ response_format: 'yaml' }), OpenAI.BadRequestError, 400, 'invalid_value', /response_format must be one of/);
await fails(translate({ model: 'wav2vec2-tiny' }), OpenAI.BadRequestError, 400, 'invalid_value', /wav2vec2-tiny/);
await fails(translate({ response_format: 'yaml' }), OpenAI.BadRequestError, 400, 'invalid_value', /response_format must be one of/);
const large = Buffer.concat([fs.readFileSync(speech), Buffer.alloc(Number(limit))]);
await fails(ask({ file: await toFile(large, 'x.wav') }), OpenAI.APIError, 413, 'too_large', new RegExp(`more than ${limit} bytes`));

console.log('as documented');
