// Tests the console in a browser against the real server: node test.mjs [BINARY]
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
try {
  await sizes(browser, server.base);
  const { page, seen, context } = await open(browser, server.base, { permissions: ['clipboard-read', 'clipboard-write', 'microphone'] });
  await part('views by pointer', page, (p) => byPointer(p, server.base));
  await part('views by keyboard', page, (p) => byKeyboard(p, server.base));
  await part('everything by keyboard', page, (p) => everythingByKeyboard(p, server.base));
  // The browser reports the two responses that the test provokes.
  const problems = seen.problems.filter((p) => !/status of (400|415)/.test(p));
  check('no error in the browser’s console', problems.length === 0, problems.join(' | '));
  check('no request to another host', seen.foreign.length === 0, seen.foreign.join(' '));
  await accessible(browser, server.base);
  await part('deletion of a pattern', page, patternDeleted);
  await context.close();
  await tenTasks(browser, server);
  await withKeys(browser, binary);
  await withFirefox(server.base);
  await usesOperations(server.base);
} finally {
  await browser.close();
  await server.stop();
  hub.close();
}
process.exit(summary() ? 1 : 0);
