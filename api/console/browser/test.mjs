// Tests the console in a browser against the real server: node test.mjs [BINARY] [PART...]
import { join } from 'node:path';
import { find, root, serve, openChromium, open, part, check, summary } from './harness.mjs';
import { sizes } from './sizes.mjs';
import { byPointer, byKeyboard } from './views.mjs';
import { everythingByKeyboard } from './keyboard.mjs';
import { openHub } from './hub.mjs';
import { patternDeleted } from './patterns.mjs';
import { accessible } from './accessible.mjs';
import { tenTasks } from './tasks.mjs';
import { withKeys } from './keys.mjs';
import { withFirefox } from './firefox.mjs';
import { usesOperations } from './operations.mjs';

if (!find('chromium')) {
  console.log('there is no Chromium: skipping the tests of the console (Debian: apt-get install chromium)');
  process.exit(0);
}
const binary = process.argv[2] ?? join(root, 'bin/grym-synth');
const hub = await openHub(), server = await serve(binary, { settings: { HF_ENDPOINT: hub.url, HF_HUB_OFFLINE: '', HF_TOKEN: '' } }), browser = await openChromium();

/** What the views do, in a page that must report no error. */
async function views() {
  const { page, seen, context } = await open(browser, server.base, { permissions: ['clipboard-read', 'clipboard-write', 'microphone'] });
  if (wanted('pointer')) await part('views by pointer', page, (p) => byPointer(p, server.base));
  if (wanted('keyboard')) {
    await part('views by keyboard', page, (p) => byKeyboard(p, server.base));
    await part('everything by keyboard', page, (p) => everythingByKeyboard(p, server.base));
  }
  // The browser reports the responses that the test provokes.
  const problems = seen.problems.filter((p) => !/status of (400|415)/.test(p));
  check('no error in the browser’s console', problems.length === 0, problems.join(' | '));
  check('no request to another host', seen.foreign.length === 0, seen.foreign.join(' '));
  await context.close();
}

/** The last, since the other checks see the pattern. */
async function deletion() {
  const { page, context } = await open(browser, server.base);
  await page.goto(server.base);
  await part('deletion of a pattern', page, patternDeleted);
  await context.close();
}

const parts = [
  ['sizes', () => sizes(browser, server.base)], ['pointer', views], ['accessible', () => accessible(browser, server.base)], ['pointer', deletion], ['tasks', () => tenTasks(browser, server)],
  ['keys', () => withKeys(browser, binary)], ['firefox', () => withFirefox(server.base)], ['operations', () => usesOperations(server.base)],
];
const named = process.argv.slice(3), wanted = (name) => !named.length || named.includes(name);
try {
  for (const [name, run] of parts) if (wanted(name) || (run === views && wanted('keyboard'))) await run();
} finally {
  await browser.close();
  await server.stop();
  hub.close();
}
process.exit(summary() ? 1 : 0);
