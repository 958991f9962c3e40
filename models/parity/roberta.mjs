// Keeps a hash of what transformers.js makes of 12,500 strings with RoBERTa's tokenizer, which CLAP and so AudioLDM use:
// the 10,000 of tokenizer.mjs, and 2,500 from all of Unicode, of control characters, emoji and very long words.
//
//   node roberta.mjs [DIR]            writes services/tokenizer/testdata/roberta.json.gz
//   node roberta.mjs --check [DIR]    compares a fresh run with it
//
// DIR has RoBERTa's own tokenizer.json (default: GRYM_TESTDATA/testdata/tokenizers/roberta-base).

import crypto from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import zlib from 'node:zlib';
import { fileURLToPath } from 'node:url';
import { AutoTokenizer, env } from '@huggingface/transformers';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..', '..');
const testdata = path.join(root, 'services', 'tokenizer', 'testdata');
const args = process.argv.slice(2);
const check = args[0] === '--check';
const dir = path.resolve(args[check ? 1 : 0] ?? path.join(process.env.GRYM_TESTDATA ?? path.join(root, '..', 'shared'), 'testdata', 'tokenizers', 'roberta-base'));
if (!fs.existsSync(path.join(dir, 'tokenizer.json'))) {
  console.log(`no tokenizer.json in ${dir}: skipped`);
  process.exit(0);
}

const unzip = (name) => JSON.parse(zlib.gunzipSync(fs.readFileSync(path.join(testdata, name))));
const known = unzip('golden.json.gz').strings.map((s) => s.text);

let state = 11;
const random = () => { state = (Math.imul(state, 1664525) + 1013904223) >>> 0; return state / 2 ** 32; };
const below = (n) => Math.floor(random() * n);
const pick = (list) => list[below(list.length)];
const words = ['a', 'the', 'siren', 'rain', "don't", 'hammering', 'wooden', 'internationalisation', 'I', 'x', '3.14', 'é', 'ﬁ', 'naïve', 'straße'];
const emoji = ['🎉', '👩‍🚀', '🏳️‍🌈', '🇩🇪', '👍🏽', '❤️', '☃', '🧑‍🤝‍🧑', '1️⃣', '🪿'];
// Any character but surrogates and two on which implementations disagree: JavaScript's \s has U+FEFF and lacks U+0085,
// that of the tokenizers which trained checkpoints use is Unicode's White_Space. Beyond the first plane only blocks that
// every Unicode since 13 has, so that a letter is a letter to both sides.
function any() {
  for (;;) {
    const c = pick([below(0x300), below(0x3000), below(0x10000), 0x10300 + below(0x120), 0x1d400 + below(0x400), 0x1f000 + below(0xb00), 0x20000 + below(0xa6d0), 0xf0000 + below(0xfff0)]);
    if ((c < 0xd800 || c > 0xdfff) && c !== 0x85 && c !== 0xfeff) return String.fromCodePoint(c);
  }
}
const control = () => String.fromCharCode(pick([below(32), 127 + below(6), 134 + below(26)]));
const extra = [];
while (extra.length < 2480) {
  let s = '';
  for (let n = 1 + below(12); n > 0; n--) {
    const r = random();
    s += r < 0.35 ? any() : r < 0.5 ? control() : r < 0.65 ? pick(emoji) : r < 0.9 ? pick(words) : pick([' ', '  ', '\n', '\t', '\u00a0', '\u3000', "'s", "'ve", "'LL", '\u200d', '\u0301']);
    if (random() < 0.3) s += ' ';
  }
  extra.push(s);
}
const long = [['a', 50000], ['ab', 20000], ['hammering ', 4000], [' ', 5000], ['\n ', 3000], ['🎉', 4000], ['北京', 5000], ['!?', 8000], ['1234567890', 3000], ["'s", 5000],
  ['é', 9000], ['\u0000', 3000], ['x1', 9000], ['Aa', 9000], ['…', 9000], ['internationalisation', 1500], ['\u0301', 4000], ['the rain ', 3000], ['\t', 3000], ['क्षि', 3000]];

env.allowRemoteModels = false;
env.localModelPath = path.dirname(dir);
env.useFSCache = false;
const tokenizer = await AutoTokenizer.from_pretrained(path.basename(dir));
const hash = (s) => crypto.createHash('sha256').update(Array.from(tokenizer.encode(s, { add_special_tokens: false })).join(',')).digest('hex').slice(0, 8);
const strings = [...known, ...extra, ...long.map(([s, n]) => s.repeat(n))];
const golden = { extra, long: long.map(([text, times]) => ({ text, times })), hashes: strings.map(hash) };
if (!check) {
  fs.writeFileSync(path.join(testdata, 'roberta.json.gz'), zlib.gzipSync(JSON.stringify(golden), { level: 9 }));
  console.log(`${strings.length} strings`);
} else {
  const kept = unzip('roberta.json.gz');
  const wrong = strings.filter((_, i) => kept.hashes[i] !== golden.hashes[i]);
  console.log(`RoBERTa's tokenizer: ${strings.length - wrong.length} of ${strings.length} strings as kept`);
  if (wrong.length > 0 || kept.extra.length !== extra.length) process.exit(1);
}
