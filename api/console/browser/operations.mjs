// Which operations of the API the console uses, against what docs/console.md says it does not.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { check, root, sent } from './harness.mjs';

/** The operations under the heading "What the console cannot do", as "METHOD /path". */
function documented() {
  const text = readFileSync(join(root, 'docs/console.md'), 'utf8'), begin = text.indexOf('## What the console cannot do');
  const part = begin < 0 ? '' : text.slice(begin, text.indexOf('\n## ', begin + 1));
  return new Set([...part.matchAll(/^\| `([A-Z]+ \/[^`]*)` \|/gm)].map((m) => m[1]));
}

/** The operations of the contract, as "METHOD /path", with what their requests look like. */
async function operations(base) {
  const { paths } = await (await fetch(`${base}/openapi.json`)).json(), all = [];
  for (const [path, item] of Object.entries(paths)) {
    for (const method of Object.keys(item).filter((m) => /^(get|head|post|put|patch|delete)$/.test(m))) {
      const pattern = path.replace(/[.+]/g, '\\$&').replace(/\{audio_id\}/g, '[0-9a-f]{64}').replace(/\{[^}]*\}/g, '[^/]+');
      all.push({ name: `${method.toUpperCase()} ${path}`, method: method.toUpperCase(), fixed: path.split('{').length, matches: new RegExp(`^${pattern}$`) });
    }
  }
  return all.sort((a, b) => a.fixed - b.fixed); // a path without parameters goes first
}

/** What the console sends in a state that the other checks do not make: with a Whisper model, after a loss. */
const elsewhere = ['POST /v1/audio/translations', 'POST /v1/system/store/acknowledge'];

export async function usesOperations(base) {
  const all = await operations(base), used = new Set(elsewhere);
  for (const one of sent) {
    const [method, path] = one.split(' '), found = all.find((x) => x.method === method && x.matches.test(path));
    if (found) used.add(found.name);
  }
  const cannot = documented(), names = all.map((x) => x.name);
  const missing = names.filter((x) => !used.has(x) && !cannot.has(x)), wrong = names.filter((x) => used.has(x) && cannot.has(x)), unknown = [...cannot].filter((x) => !names.includes(x));
  for (const [list, what] of [[missing, 'not used, and not named in docs/console.md'], [wrong, 'used, though docs/console.md says it is not'], [unknown, 'named in docs/console.md, and no operation']]) for (const x of list) console.log(`      ${x}: ${what}`);
  check('docs/console.md names the operations that the console does not use, and no other', !missing.length && !wrong.length && !unknown.length, `${used.size} of ${all.length} used`);
}
