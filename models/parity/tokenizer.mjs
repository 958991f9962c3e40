// Trains a small tokenizer in Llama 2's format on this project's own pages, and
// keeps what transformers.js makes of 10,000 strings with it and with gama-tiny's.
//
//   node tokenizer.mjs            the ids anew, of the strings and the tokenizer that
//                                 services/tokenizer/testdata has
//   node tokenizer.mjs --train    those anew too; sentencepiece's and tokenizer.model
//                                 beside them are then of another tokenizer

import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import zlib from 'node:zlib';
import { fileURLToPath } from 'node:url';
import { AutoTokenizer, env } from '@huggingface/transformers';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..', '..');
const out = path.join(root, 'services', 'tokenizer', 'testdata');
const MERGES = 700;

// ---- training: byte pair encoding over words that begin with U+2581

const text = ['docs/architecture.md', 'CONTRIBUTING.md', 'README.md'].map((f) => fs.readFileSync(path.join(root, f), 'utf8')).join('\n');
const words = new Map();
for (const w of text.replace(/[^\x20-\x7e\n]/g, '').split(/\s+/)) if (w) words.set('\u2581' + w, (words.get('\u2581' + w) ?? 0) + 1);
let corpus = [...words].map(([w, n]) => ({ parts: [...w], n }));
const vocab = ['<unk>', '<s>', '</s>', ...Array.from({ length: 256 }, (_, b) => `<0x${b.toString(16).toUpperCase().padStart(2, '0')}>`)];
const merges = [];
const seen = new Set();
for (const { parts } of corpus) for (const c of parts) if (!seen.has(c)) { seen.add(c); vocab.push(c); }
for (const extra of ['é', 'ü', '北', '\n']) if (!seen.has(extra)) { seen.add(extra); vocab.push(extra); }
for (const [a, b] of [['\u2581', '\u2581'], ['\u2581\u2581', '\u2581\u2581']]) { merges.push([a, b]); vocab.push(a + b); seen.add(a + b); }
while (merges.length < MERGES) {
  const pairs = new Map();
  for (const { parts, n } of corpus) for (let i = 0; i + 1 < parts.length; i++) { const k = parts[i] + '\0' + parts[i + 1]; pairs.set(k, (pairs.get(k) ?? 0) + n); }
  let best = '', most = 1;
  for (const [k, n] of pairs) if (n > most || (n === most && best && k < best)) { best = k; most = n; }
  if (!best) break;
  const [a, b] = best.split('\0');
  merges.push([a, b]);
  if (!seen.has(a + b)) { seen.add(a + b); vocab.push(a + b); }
  for (const w of corpus) {
    const joined = [];
    for (let i = 0; i < w.parts.length; i++) joined.push(w.parts[i] === a && w.parts[i + 1] === b ? (i++, a + b) : w.parts[i]);
    w.parts = joined;
  }
}
const special = (id, content) => ({ id, content, single_word: false, lstrip: false, rstrip: false, normalized: false, special: true });
let trained = {
  version: '1.0', truncation: null, padding: null, added_tokens: [special(0, '<unk>'), special(1, '<s>'), special(2, '</s>')],
  normalizer: { type: 'Sequence', normalizers: [{ type: 'Prepend', prepend: '\u2581' }, { type: 'Replace', pattern: { String: ' ' }, content: '\u2581' }] },
  pre_tokenizer: null,
  post_processor: { type: 'TemplateProcessing', single: [{ SpecialToken: { id: '<s>', type_id: 0 } }, { Sequence: { id: 'A', type_id: 0 } }], pair: [], special_tokens: { '<s>': { id: '<s>', ids: [1], tokens: ['<s>'] } } },
  decoder: { type: 'Sequence', decoders: [{ type: 'Replace', pattern: { String: '\u2581' }, content: ' ' }, { type: 'ByteFallback' }, { type: 'Fuse' }, { type: 'Strip', content: ' ', start: 1, stop: 0 }] },
  model: { type: 'BPE', dropout: null, unk_token: '<unk>', continuing_subword_prefix: null, end_of_word_suffix: null, fuse_unk: true, byte_fallback: true,
    vocab: Object.fromEntries(vocab.map((t, i) => [t, i])), merges: merges.map(([a, b]) => `${a} ${b}`) },
};

// ---- strings

let state = 7;
const random = () => { state = (Math.imul(state, 1664525) + 1013904223) >>> 0; return state / 2 ** 32; };
const pick = (list) => list[Math.floor(random() * list.length)];
const plain = [...words.keys()].map((w) => w.slice(1));
const odd = ['é', 'ü', '北', '京', '🎉', '👩‍🚀', 'ß', '\n', '\t', '  ', '   ', '¿', 'Ω', '\u00a0', 'ﬁ', "'s", "'LL", "'ve", '½', '٣', '12', '007', '...', '—', 'Ａ', 'e\u0301', '\u3000', '\u200b', '🇩🇪', 'क्षि'];
let strings = ['', ' ', '  ', 'How are you doing?'];
while (strings.length < 10000) {
  let s = '';
  for (let n = 1 + Math.floor(random() * 6); n > 0; n--) {
    const r = random();
    s += r < 0.6 ? pick(plain) : r < 0.85 ? pick(odd) : String.fromCodePoint(32 + Math.floor(random() * 0x2000));
    if (random() < 0.6) s += ' ';
  }
  strings.push(s);
}

let ids = vocab.map((_, id) => id);
if (!process.argv.includes('--train')) {
  trained = JSON.parse(fs.readFileSync(path.join(out, 'fallback.json'), 'utf8'));
  const kept = JSON.parse(zlib.gunzipSync(fs.readFileSync(path.join(out, 'golden.json.gz'))));
  strings = kept.strings.map((s) => s.text);
  ids = kept.decoded.map((_, id) => id);
}

async function load(folder, files) {
  const parent = fs.mkdtempSync(path.join(os.tmpdir(), 'parity-'));
  fs.mkdirSync(path.join(parent, folder));
  for (const [name, content] of Object.entries(files)) fs.writeFileSync(path.join(parent, folder, name), JSON.stringify(content));
  env.allowRemoteModels = false;
  env.localModelPath = parent;
  env.useFSCache = false;
  try { return await AutoTokenizer.from_pretrained(folder); } finally { fs.rmSync(parent, { recursive: true }); }
}
const cfg = { tokenizer_class: 'PreTrainedTokenizerFast', clean_up_tokenization_spaces: false, unk_token: '<unk>' };
const llama = await load('llama', { 'tokenizer.json': trained, 'tokenizer_config.json': cfg });
const tiny = path.join(root, 'models', 'gama-tiny');
const bytes = await load('bytes', { 'tokenizer.json': JSON.parse(fs.readFileSync(path.join(tiny, 'tokenizer.json'), 'utf8')), 'tokenizer_config.json': { ...cfg, unk_token: undefined } });

const encode = (t, s) => Array.from(t.encode(s, { add_special_tokens: false }));
const golden = {
  strings: strings.map((s) => ({ text: s, fallback: encode(llama, s), bytes: encode(bytes, s) })),
  // Each id alone, behind a letter so that no space is stripped.
  decoded: ids.map((id) => llama.decode([trained.model.vocab.a, id], { skip_special_tokens: false, clean_up_tokenization_spaces: false })),
};
fs.mkdirSync(out, { recursive: true });
fs.writeFileSync(path.join(out, 'fallback.json'), JSON.stringify(trained));
fs.writeFileSync(path.join(out, 'golden.json.gz'), zlib.gzipSync(JSON.stringify(golden), { level: 9 }));
console.log(`${ids.length} tokens, ${trained.model.merges.length} merges, ${strings.length} strings`);
