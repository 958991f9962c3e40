// Starts the server and the browser, and collects results.
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium } from 'playwright-core';

/** How long something may take, in milliseconds; CONSOLE_TIMEOUT has the seconds for a machine that is busy with other work. */
export const patience = 1000 * Number(process.env.CONSOLE_TIMEOUT ?? 20);

export const root = join(import.meta.dirname, '../../..');
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

const paths = {
  chromium: ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome', '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome'],
  firefox: ['/usr/bin/firefox-esr', '/usr/bin/firefox'],
};
export const find = (browser) => process.env[`CONSOLE_${browser.toUpperCase()}`] ?? paths[browser].find((p) => existsSync(p));

/** Starts the server on a free port with a new data folder. */
export async function serve(binary, { settings = {} } = {}) {
  const data = mkdtempSync(join(tmpdir(), 'console-data-'));
  const child = spawn(binary, ['--listen', '127.0.0.1:0', '--data-dir', data], { env: { ...process.env, ...settings }, stdio: ['ignore', 'pipe', 'pipe'] });
  let out = '';
  child.stderr.resume();
  const base = await new Promise((resolve, reject) => {
    child.stdout.on('data', (text) => {
      out += text;
      const found = /listens on (\S+)/.exec(out);
      if (found) resolve(`http://${found[1]}`);
    });
    child.on('exit', (code) => reject(new Error(`the server ended with ${code}: ${out}`)));
  });
  const exited = new Promise((resolve) => child.on('exit', resolve));
  const stop = async () => {
    child.kill('SIGTERM');
    await exited;
    rmSync(data, { recursive: true, force: true });
  };
  return { base, stop, key: () => /grym_[0-9a-f]+_[0-9a-f]+/.exec(out)?.[0] };
}

const results = [];
export function check(name, passed, more = '') {
  results.push(passed);
  console.log(`${passed ? 'pass' : 'FAIL'}  ${name}${more !== '' ? `: ${more}` : ''}`);
}
/** Runs a part of the test; an error fails it, and the other parts still run. */
export async function part(name, page, f) {
  try {
    await f(page);
  } catch (e) {
    check(name, false, e.message.split('\n').slice(0, 3).join(' | '));
    if (process.env.CONSOLE_SHOTS) await page.screenshot({ path: join(process.env.CONSOLE_SHOTS, `failed-${results.length}.png`) }).catch(() => {});
  }
}
export const summary = () => {
  const failed = results.filter((x) => !x).length;
  console.log(failed ? `${failed} of ${results.length} checks failed` : `${results.length} checks passed`);
  return failed;
};

const quiet = ['--no-sandbox', '--disable-gpu', '--disable-background-networking', '--disable-component-update', '--disable-sync', '--no-first-run'];
const sound = ['--autoplay-policy=no-user-gesture-required', '--use-fake-device-for-media-stream', '--use-fake-ui-for-media-stream'];

export const openChromium = () => chromium.launch({ executablePath: find('chromium'), headless: true, args: [...quiet, ...sound] });

/** Every request of every page to its server, as "METHOD /path". */
export const sent = new Set();

/** A page that records errors and requests to other hosts. */
export async function open(browser, base, { width = 1440, height = 900, ...rest } = {}) {
  const context = await browser.newContext({ viewport: { width, height }, ...rest });
  const page = await context.newPage(), seen = { problems: [], foreign: [] };
  page.setDefaultTimeout(patience);
  page.on('console', (m) => ['error', 'warning'].includes(m.type()) && seen.problems.push(`${m.text()} ${m.location().url}`));
  page.on('pageerror', (e) => seen.problems.push(`${e.message} ${e.stack?.split('\n')[1] ?? ''}`));
  page.on('request', (r) => {
    const url = new URL(r.url());
    if (url.origin === base) sent.add(`${r.method()} ${url.pathname}`);
    if (!['blob:', 'data:'].includes(url.protocol) && url.origin !== base) seen.foreign.push(r.url());
  });
  page.on('dialog', (d) => d.accept());
  const pending = new Set();
  page.on('request', (r) => /\/events$/.test(new URL(r.url()).pathname) || pending.add(r));
  for (const end of ['requestfinished', 'requestfailed']) page.on(end, (r) => pending.delete(r));
  pendingOf.set(page, pending);
  return { context, page, seen };
}

const pendingOf = new WeakMap();
/** Waits until nothing but the streams of events has been requested for a moment. */
export async function settle(page) {
  const pending = pendingOf.get(page);
  for (let quiet = 0, end = Date.now() + patience; quiet < 5; quiet = pending.size ? 0 : quiet + 1) {
    if (Date.now() > end) throw new Error(`still requested: ${[...pending].map((r) => r.url()).join(' ')}`);
    await page.waitForTimeout(40);
  }
}

/** The violations that axe-core finds. The page's policy forbids injected scripts, so axe runs in an isolated world. */
export async function violations(page) {
  const client = await page.context().newCDPSession(page);
  const { frameTree } = await client.send('Page.getFrameTree');
  const { executionContextId } = await client.send('Page.createIsolatedWorld', { frameId: frameTree.frame.id, worldName: 'axe' });
  const run = async (expression) => {
    const { result, exceptionDetails } = await client.send('Runtime.evaluate', { contextId: executionContextId, expression, awaitPromise: true, returnByValue: true });
    if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
    return result.value;
  };
  await run(axe);
  const found = await run(`axe.run(document, { resultTypes: ['violations'] }).then((r) => r.violations.map((v) => (
    v.impact + ' ' + v.id + ' ' + v.nodes.length + ' ' + v.nodes[0].html.slice(0, 120) + ' ' + (v.nodes[0].any[0]?.message ?? ''))))`);
  await client.detach();
  return found;
}

/** A file for the page's file chooser. */
export const clip = (name) => join(root, 'models', name);
export const choose = async (page, act, files) => {
  const [chooser] = await Promise.all([page.waitForEvent('filechooser'), act()]);
  await chooser.setFiles(files);
};
export const goTo = async (page, view, title) => {
  await page.evaluate((v) => { location.hash = `#/${v}`; }, view);
  if (title) await page.locator('h1', { hasText: title }).waitFor();
};
export const until = (page, f, argument) => page.waitForFunction(f, argument);
