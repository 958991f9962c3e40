// Ten things that a new user wants to do, each from the start page. Every click counts, a choice in a list as two; typing does not.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync, copyFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { check, choose, clip, open, part, patience, until } from './harness.mjs';

const most = 6;
/** A WAV file of noise and tones that are louder and softer, repeated every five minutes, 16 bit, one channel. */
export function writeSound(path, seconds, rate = 8000) {
  const n = seconds * rate, head = Buffer.alloc(44), data = Buffer.alloc(2 * n);
  head.write('RIFF', 0);
  head.writeUInt32LE(36 + 2 * n, 4);
  head.write('WAVEfmt ', 8);
  head.writeUInt32LE(16, 16);
  head.writeUInt16LE(1, 20);
  head.writeUInt16LE(1, 22);
  head.writeUInt32LE(rate, 24);
  head.writeUInt32LE(2 * rate, 28);
  head.writeUInt16LE(2, 32);
  head.writeUInt16LE(16, 34);
  head.write('data', 36);
  head.writeUInt32LE(2 * n, 40);
  const period = Math.min(n, 300 * rate);
  for (let i = 0, x = 1; i < period; i++) {
    x = (x * 1103515245 + 12345) & 0x7fffffff;
    data.writeInt16LE(Math.round(((x / 0x7fffffff) - 0.5) * 12000 * (0.2 + Math.sin(i / rate) ** 2) + 6000 * Math.sin(i * 0.3 * (1 + Math.floor(i / rate / 60) % 5))), 2 * i);
  }
  for (let at = 2 * period; at < data.length; at += 2 * period) data.copy(data, at, 0, Math.min(2 * period, data.length - at));
  writeFileSync(path, Buffer.concat([head, data]));
}

class User {
  clicks = 0;
  constructor(page) { this.page = page; }
  async click(target) {
    this.clicks++;
    await (typeof target === 'string' ? this.page.locator(target) : target).first().click();
  }
  button(name, exact = false) { return this.page.getByRole('button', { name, exact }); }
  nav(view) { return this.click(`.rail a.item[href="#/${view}"]`); }
  async select(target, value) {
    this.clicks += 2;
    await this.page.locator(target).selectOption(value);
  }
}

const tasks = {
  async 'a voice memo'({ page, user }) {
    await user.click(user.button('Record', true));
    await page.waitForTimeout(1200);
    await user.click(user.button('Stop recording'));
    await user.click('[data-test=transcribe]');
    await page.locator('section[aria-label=Transcript] .bar').waitFor();
    await user.click(user.button('Save', true));
  },
  async 'subtitles for a folder'({ page, user, folder }) {
    await choose(page, () => user.click(user.button('A folder of recordings')), join(folder, 'talks'));
    await user.select('select[name=response_format]', 'srt');
    await user.click('[data-test=submit-batch]');
    await page.locator('[data-test=batch]', { hasText: '3 of 3 finished' }).first().waitFor();
    const [archive] = await Promise.all([page.waitForEvent('download'), user.click(user.button('Results'))]);
    if (!archive.suggestedFilename().endsWith('.zip')) throw new Error(archive.suggestedFilename());
  },
  async 'an hour with progress'({ page, user, folder }) {
    await choose(page, () => user.click(user.button('Open a recording')), join(folder, 'hour.wav'));
    await page.locator('[data-test=transcribe]:not([disabled])').waitFor();
    await user.click('[data-test=transcribe]');
    await until(page, () => Number(document.querySelector('section[aria-label=Transcript] [role=progressbar]')?.getAttribute('aria-valuenow')) > 1);
    await user.click(user.button('Stop', true));
  },
  async 'a sound effect'({ page, user }) {
    await user.click('.hero a[href="#/generate"]');
    await page.locator('[data-test=prompt]').fill('a low bell');
    await user.click('[data-test=generate]');
    await user.click('[data-test=play-sound]');
    await user.click(page.locator('[data-test=sound]').getByRole('button', { name: 'Save' }));
  },
  async 'a talk about a sound'({ page, user }) {
    await user.click(user.button('Sample: bell and siren'));
    await user.click(user.button('What do you hear?'));
    await page.locator('.dialogue .meta').waitFor();
    await user.click('.ask .chips button');
    await until(page, () => document.querySelectorAll('.dialogue .meta').length === 2);
  },
  async 'find a sound'({ page, user }) {
    await choose(page, () => user.click(user.button('Open a recording')), clip('wav2vec2-tiny/clips/clip09.wav'));
    await page.locator('.surface').waitFor();
    await user.nav('patterns');
    await user.click(page.getByRole('tab', { name: 'Search' }));
    await user.click('[data-test=search]');
    await page.locator('[data-test=hit]').first().waitFor({ timeout: 240_000 }); // the first search makes the index
    await user.click('[data-test=hit] button');
  },
  async '100 files'({ page, user, folder }) {
    await choose(page, () => user.click(user.button('A folder of recordings')), join(folder, 'many'));
    await page.locator('[data-test=chosen]', { hasText: '100 recordings' }).waitFor();
    await user.click('[data-test=submit-batch]');
    await page.locator('[data-test=batch]', { hasText: '100 of 100 finished' }).first().waitFor({ timeout: 120_000 });
    await Promise.all([page.waitForEvent('download'), user.click(user.button('Results'))]);
  },
  async 'an own model'({ page, user }) {
    await user.nav('models');
    await page.locator('input[name=source]').fill('someone/speech');
    await user.click('[data-test=pull]');
    await page.locator('section[aria-label="Download a model"] .job', { hasText: 'someone/speech' }).locator('.pill', { hasText: 'succeeded' }).first().waitFor();
    await user.click(page.locator('tbody tr', { hasText: 'someone--speech' }).getByRole('button', { name: 'Load', exact: true }));
    await page.locator('tbody tr', { hasText: 'someone--speech' }).getByRole('button', { name: 'Unload' }).waitFor();
  },
  async 'a failing service at night'({ page, user, base }) {
    await fetch(`${base}/v1/services/gama/breaker/open`, { method: 'POST' });
    await user.click('.rail a.server');
    await page.locator('[data-test=verdict]', { hasText: 'gama' }).waitFor();
    await user.click(page.locator('section[aria-label=Services] tr', { hasText: 'gama' }).getByRole('button', { name: 'Restart' }));
    await user.click('[data-test=confirm]');
    await page.locator('[data-test=verdict]', { hasText: /Everything works|warning/ }).waitFor();
  },
  async 'a key for a colleague'({ page, user }) {
    await user.nav('settings');
    await page.locator('input[name=key-name]').fill('a colleague');
    await user.click('[data-test=create-key]');
    await user.click(page.getByRole('group', { name: 'New key' }).getByRole('button', { name: 'Copy' }));
  },
};

/** The recordings that the tasks need. */
function prepare() {
  const folder = mkdtempSync(join(tmpdir(), 'console-tasks-'));
  for (const [name, n] of [['talks', 3], ['many', 100]]) {
    mkdirSync(join(folder, name));
    for (let i = 1; i <= n; i++) copyFileSync(clip(`wav2vec2-tiny/clips/clip${String(1 + (i % 16)).padStart(2, '0')}.wav`), join(folder, name, `talk ${i}.wav`));
  }
  writeFileSync(join(folder, 'talks', 'notes.txt'), 'not a recording');
  writeSound(join(folder, 'hour.wav'), 3600);
  return folder;
}

export async function tenTasks(browser, { base }) {
  const folder = prepare();
  for (const [name, run] of Object.entries(tasks)) {
    const { page, context, seen } = await open(browser, base, { permissions: ['clipboard-read', 'clipboard-write', 'microphone'] }), user = new User(page);
    page.setDefaultTimeout(Math.max(60_000, patience));
    await part(name, page, async () => {
      await page.goto(base);
      await page.locator('.hero').waitFor();
      await run({ page, user, base, folder });
      check(`${name}: ${user.clicks} clicks, at most ${most}`, user.clicks <= most && seen.problems.length === 0, seen.problems.join(' | '));
    });
    await context.close();
  }
  rmSync(folder, { recursive: true });
}
