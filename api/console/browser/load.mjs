// A long day: two hours of sound in the deck, 10,000 jobs, 1,000 patterns, and a server that goes away and comes back.
// Not part of the other tests: node load.mjs [BINARY] [PATTERNS] [JOBS] [HOURS]
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { check, choose, clip, goTo, open, openChromium, part, root, settle, summary, until } from './harness.mjs';
import { writeSound } from './tasks.mjs';

const [binary = join(root, 'bin/grym-synth'), patterns = 1000, jobs = 10_000, hours = 2] = process.argv.slice(2).map((x, i) => (i ? Number(x) : x));
const folder = mkdtempSync(join(tmpdir(), 'console-load-')), sound = join(folder, 'two hours.wav'), longest = 1500;

/** A server in one data folder, which can be stopped and started again on its port. */
class Server {
  port = 0;
  async start() {
    this.child = spawn(binary, ['--listen', `127.0.0.1:${this.port}`, '--data-dir', join(folder, 'data')], { stdio: ['ignore', 'pipe', 'ignore'], env: { ...process.env, GRYM_LOG__LEVEL: 'error' } });
    this.exited = new Promise((resolve) => this.child.on('exit', resolve));
    let out = '';
    await new Promise((resolve) => this.child.stdout.on('data', (text) => {
      out += text;
      if (/listens on \S+\n/.test(out)) resolve();
    }));
    this.port = Number(/listens on [\d.]+:(\d+)/.exec(out)[1]);
    this.base = `http://127.0.0.1:${this.port}`;
  }
  async stop() {
    this.child.kill('SIGKILL'); // as a crash does
    await this.exited;
  }
  async call(method, path, body, headers = {}) {
    const json = body && !(body instanceof FormData);
    const answer = await fetch(this.base + path, { method, body: json ? JSON.stringify(body) : body, headers: { ...headers, ...(json && { 'Content-Type': 'application/json' }) } });
    if (!answer.ok) throw new Error(`${method} ${path}: ${await answer.text()}`);
    return answer.json();
  }
}

/** Calls f for 0 to n-1, a few at a time. */
async function many(n, f, atOnce = 8) {
  let next = 0;
  await Promise.all(Array.from({ length: atOnce }, async () => { while (next < n) await f(next++); }));
}
const form = (fields) => {
  const data = new FormData();
  for (const [name, value] of fields) data.append(name, value, value instanceof Blob ? 'clip.wav' : undefined);
  return data;
};

const heap = async (client) => {
  await client.send('HeapProfiler.collectGarbage');
  const { metrics } = await client.send('Performance.getMetrics');
  return metrics.find((m) => m.name === 'JSHeapUsedSize').value / 1e6;
};
/** The resident set of the renderer that has most, in MB: what the page costs the machine. */
async function resident(browser) {
  const { processInfo } = await (await browser.newBrowserCDPSession()).send('SystemInfo.getProcessInfo');
  return Math.max(...processInfo.filter((p) => p.type === 'renderer').map((p) => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${p.id}/status`, 'utf8'))[1]) / 1000));
}
/** Milliseconds until f is true after act, and the longest task of the page meanwhile. */
async function timed(page, act, f, argument) {
  await page.evaluate(() => {
    window.longest = 0;
    window.watcher?.disconnect();
    window.watcher = new PerformanceObserver((list) => list.getEntries().forEach((e) => { window.longest = Math.max(window.longest, e.duration); }));
    window.watcher.observe({ type: 'longtask' });
  });
  const began = Date.now();
  await act();
  await until(page, f, argument);
  const took = Date.now() - began;
  return { took, longest: Math.round(await page.evaluate(() => window.longest)) };
}

const server = new Server(), browser = await openChromium();
try {
  console.log('preparing');
  writeSound(sound, hours * 3600, 16_000);
  await server.start();
  const bytes = readFileSync(clip('wav2vec2-tiny/clips/clip09.wav')), blob = new Blob([bytes], { type: 'audio/wav' });
  const { id } = await server.call('POST', '/v1/audio', form([['file', blob]]));
  let began = Date.now();
  await many(patterns, (i) => server.call('POST', '/v1/patterns', { name: `pattern ${i}`, examples: [{ audio_id: id, start: (i % 50) / 100, end: 0.5 + (i % 50) / 100 }] }), 2);
  console.log(`${patterns} patterns taught in ${Math.round((Date.now() - began) / 1000)} s`);
  await server.call('POST', '/v1/services/wav2vec2/drain', { reason: 'load test' });
  began = Date.now();
  await many(jobs, (i) => server.call('POST', '/v1/jobs', { task: 'transcribe', audio_id: id, labels: { name: `job ${i}` } }), 32);
  console.log(`${jobs} jobs submitted in ${Math.round((Date.now() - began) / 1000)} s`);
  const { page, seen } = await open(browser, server.base), client = await page.context().newCDPSession(page);
  page.setDefaultTimeout(180_000);
  await client.send('Performance.enable');
  const memory = async (what) => console.log(`      memory ${what}: ${(await heap(client)).toFixed(1)} MB of JavaScript, ${(await resident(browser)).toFixed(0)} MB resident`);
  await part('the deck', page, async () => {
    await page.goto(server.base);
    await page.locator('.hero').waitFor();
    await settle(page);
    await memory('of the start page');
    const loaded = await timed(page, () => choose(page, () => page.getByRole('button', { name: 'Open a recording' }).first().click(), sound), () => document.querySelector('.surface'));
    check(`${hours} hours of sound are in the deck`, loaded.longest < longest, `after ${(loaded.took / 1000).toFixed(1)} s, longest task ${loaded.longest} ms`);
    const drawn = await timed(page, () => {}, () => document.querySelector('.axis span'));
    check('with their spectrogram', true, `${(drawn.took / 1000).toFixed(1)} s later`);
    await memory(`with ${hours} hours in the deck`);
    const zoomed = await timed(page, async () => {
      await page.locator('.surface').focus();
      for (let i = 0; i < 14; i++) await page.keyboard.press('+');
    }, () => true);
    check('zooming is quick', zoomed.longest < 300, `14 steps in ${zoomed.took} ms, longest task ${zoomed.longest} ms`);
    for (const key of ['0', 'End', 'ArrowLeft']) await page.keyboard.press(key);
    await until(page, (end) => { // the value is drawn with the next frame
      const at = Number(document.querySelector('.surface').getAttribute('aria-valuenow'));
      return at > 0 && at < end;
    }, hours * 3600);
    const from = Number(await page.locator('.surface').getAttribute('aria-valuenow'));
    await page.locator('.play').first().click();
    await page.waitForTimeout(500);
    await page.locator('.play').first().click();
    const to = Number(await page.locator('.surface').getAttribute('aria-valuenow'));
    check('and it plays from anywhere', from > hours * 3500 && to > from, `from ${from} to ${to} s`);
  });
  await part('jobs', page, async () => {
    const opened = await timed(page, () => page.locator('header.top button', { hasText: 'Jobs' }).click(), () => document.querySelector('.drawer .job'));
    check('the drawer of jobs opens', opened.took < 1000 && (await page.locator('.drawer .job').count()) <= 80, `after ${opened.took} ms, longest task ${opened.longest} ms, ${await page.locator('.drawer .job').count()} jobs`);
    await page.getByRole('button', { name: 'Close jobs' }).click();
    const shown = await timed(page, () => goTo(page, 'jobs', 'Jobs'), () => document.querySelectorAll('tbody tr').length >= 100);
    check(`${jobs} jobs are listed`, shown.longest < longest, `after ${shown.took} ms, longest task ${shown.longest} ms`);
    const counts = await page.getByRole('tab', { name: /^Unfinished/ }).textContent();
    check('with their number', counts.replace(/\D/g, '') === String(jobs), counts);
    for (let i = 0; i < 3; i++) {
      const rows = await page.locator('tbody tr').count();
      await page.locator('[data-test=older], button:has-text("Show more")').first().click();
      await until(page, (n) => document.querySelectorAll('tbody tr').length > n, rows);
    }
    check('older ones are loaded page by page', (await page.locator('tbody tr').count()) > 200, `${await page.locator('tbody tr').count()} rows`);
    const found = await timed(page, () => page.getByRole('searchbox', { name: 'Find a job' }).fill(`job ${jobs - 7}`), (n) => document.querySelector('tbody a.title')?.textContent === n, `job ${jobs - 7}`);
    check('one is found', found.took < 3000, `after ${found.took} ms`);
    await page.getByRole('searchbox', { name: 'Find a job' }).fill('');
    await memory(`with ${jobs} jobs`);
  });
  await part('patterns', page, async () => {
    for (const visit of ['first', 'second']) {
      const shown = await timed(page, () => goTo(page, 'patterns', 'Patterns'), () => document.querySelector('section[aria-label=Patterns] tbody tr'));
      const all = await timed(page, () => {}, (n) => document.querySelector('select[name=pattern]')?.options.length === n + 1, patterns);
      check(`${patterns} patterns are listed, ${visit} visit`, Math.max(shown.longest, all.longest) < longest, `the first after ${shown.took} ms, all ${all.took} ms later, longest task ${Math.max(shown.longest, all.longest)} ms`);
      if (visit === 'first') await goTo(page, 'jobs', 'Jobs');
    }
    const found = await timed(page, () => page.getByRole('searchbox', { name: 'Find a pattern' }).fill(`pattern ${patterns - 1}`), () => document.querySelectorAll('section[aria-label=Patterns] tbody tr').length === 1);
    check('one is found', found.took < 2000, `after ${found.took} ms`);
    await memory(`with ${patterns} patterns`);
  });
  await part('a server that goes away', page, async () => {
    await goTo(page, 'jobs', 'Jobs');
    await server.call('POST', '/v1/services/wav2vec2/resume', {});
    await until(page, (n) => Number(/Unfinished ([\d,]+)/.exec(document.body.textContent)?.[1].replace(',', '')) < n, jobs);
    await page.locator('header.top button', { hasText: 'Jobs' }).click();
    await page.locator('.drawer .job').first().locator('.pill', { hasText: 'running' }).waitFor();
    check('the drawer has the running jobs first', true, `${await page.locator('.drawer .job').count()} jobs`);
    await page.getByRole('button', { name: 'Close jobs' }).click();
    const before = seen.problems.length;
    await server.stop();
    await page.locator('.server', { hasText: 'No answer' }).waitFor();
    await page.locator('.rail a.item[href="#/system"]').click();
    await page.locator('[data-test=verdict]', { hasText: 'The server does not answer' }).waitFor();
    check('it is said that the server does not answer', true, await page.locator('[data-test=verdict]').textContent());
    const kept = await page.locator('.transport select').evaluate((s) => s.selectedOptions[0].textContent);
    check('and the recording is still in the deck', /two hours/.test(kept), kept);
    await server.start();
    const back = Date.now();
    await page.locator('[data-test=verdict]', { hasText: /Everything works|warning/ }).waitFor();
    check('the page continues by itself', true, `${((Date.now() - back) / 1000).toFixed(1)} s after the server`);
    await goTo(page, 'jobs', 'Jobs');
    await page.getByRole('tab', { name: /^Unfinished/ }).waitFor();
    const { counts } = await server.call('GET', '/v1/jobs?limit=1'), all = Object.values(counts).reduce((a, b) => a + b);
    check('no job is lost', all === jobs && counts.failed === 0, JSON.stringify(counts));
    await until(page, (n) => Number(/Unfinished ([\d,]+)/.exec(document.body.textContent)?.[1].replace(',', '')) < n, counts.queued + counts.running - 20);
    check('and the counts move again', true);
    const strange = seen.problems.slice(before).filter((p) => !/Failed to load resource|ERR_CONNECTION|ERR_INCOMPLETE/.test(p));
    check('without an error of the page', strange.length === 0, strange.join(' | '));
    await memory('at the end');
  });
} finally {
  await browser.close();
  await server.stop();
  rmSync(folder, { recursive: true, force: true });
}
process.exit(summary() ? 1 : 0);
