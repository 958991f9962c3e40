// Editing and stored recordings.
import { check, choose, clip, goTo, until } from './harness.mjs';

const inDeck = (page, pattern) => page.waitForFunction((p) => new RegExp(p).test(document.querySelector('.transport select')?.selectedOptions[0].textContent), pattern);

export async function edits(page) {
  await page.locator('.rail a.item[href="#/edit"]').click();
  await choose(page, () => page.locator('.transport').getByRole('button', { name: 'Open a recording' }).click(), clip('wav2vec2-tiny/clips/clip09.wav'));
  await page.locator('select[name=operation]').selectOption('gain');
  await page.locator('select[name=operation]').selectOption('time_stretch');
  await page.locator('input[name=factor]').fill('0.5');
  check('operations have forms of their schemas', (await page.locator('[data-test=operation]').count()) === 2 && (await page.locator('input[name=gain_db]').count()) === 1);
  await page.locator('[data-test=edit]').click();
  await page.locator('[data-test=compare]').waitFor();
  const facts = await page.locator('.pane header').allTextContents(), seconds = facts.map((x) => Number(/0:0?([\d.]+)/.exec(x)[1]));
  check('before and after are beside each other', seconds.length === 2 && Math.abs(seconds[1] - 2 * seconds[0]) < 0.05, facts.join(' | '));
  const painted = await page.locator('.pane canvas').evaluateAll((list) => list.map((c) => new Set(c.getContext('2d').getImageData(0, 0, c.width, c.height).data).size > 20));
  check('with waveform and spectrogram', painted.every(Boolean));
  for (const name of ['Before', 'After']) {
    await page.getByRole('button', { name: `Play: ${name}` }).click();
    await until(page, (n) => [...document.querySelectorAll('.pane')].find((p) => p.textContent.includes(n)).querySelector('audio').currentTime > 0.1, name);
  }
  check('one is heard at a time', await page.locator('.pane audio').first().evaluate((a) => a.paused));
  await page.locator('input[name=factor]').fill('99');
  await page.locator('[data-test=edit]').click();
  const fault = page.locator('[data-test=operation] [role=alert]');
  await fault.waitFor();
  check('a fault is at its operation', /factor.*0\.25/.test(await fault.textContent()), await fault.textContent());
  await page.locator('input[name=factor]').fill('0.5');
  await page.locator('[data-test=keep]').click();
  await page.locator('[data-test=keep]:disabled').waitFor();
  await page.getByRole('button', { name: 'Remove Tempo alone' }).click();
  await page.locator('select[name=operation]').selectOption('split_at_silences');
  await page.locator('[data-test=operation]', { hasText: 'Split at silences' }).waitFor();
  await page.locator('[data-test=edit]').click();
  await page.locator('[data-test=parts] li').first().waitFor();
  check('a sound that is split has its parts', (await page.locator('[data-test=parts] li').count()) > 0, await page.locator('[data-test=parts] h2').textContent());
}

export async function recordings(page) {
  await page.locator('.rail a.item[href="#/recordings"]').click();
  const row = page.locator('[data-test=recording]', { hasText: 'clip09-edited.wav' });
  await row.waitFor();
  check('what was kept is listed, with its length and rate', /0:02\.[12].*16 kHz, mono/.test(await row.textContent()), await row.textContent());
  const whole = [], note = (r) => /\/v1\/audio\/[0-9a-f]{64}$/.test(new URL(r.url()).pathname) && whole.push(r);
  page.on('request', note);
  await row.getByRole('button', { name: 'To the deck' }).click();
  await inDeck(page, 'clip09-edited');
  await goTo(page, 'transcribe', 'Transcribe');
  await until(page, () => document.querySelector('.axis span')); // its spectrogram is there
  check('it is drawn without its file', whole.every((r) => r.resourceType() === 'media'), whole.map((r) => r.resourceType()).join(' '));
  page.off('request', note);
  await page.locator('[data-test=transcribe]').click();
  await page.locator('.transcript button').first().waitFor();
  check('a stored recording is transcribed without being sent', /"audio_id"/.test(await page.locator('.side .curl').last().textContent()));
  await page.getByRole('tab', { name: 'SRT' }).click();
  await until(page, () => document.querySelector('pre.panel')?.textContent.includes('-->'));
  await goTo(page, 'measure', 'Measure');
  await page.locator('[data-test=measure]').click();
  await page.locator('[data-test=picture]').waitFor();
  await goTo(page, 'recordings', 'Recordings');
  await row.getByRole('button', { name: 'Delete' }).click();
  await row.getByRole('button', { name: 'Delete clip09-edited.wav' }).click();
  await row.waitFor({ state: 'detached' });
  check('a recording is deleted after a question', true);
  await choose(page, () => page.getByRole('button', { name: 'Store files' }).first().click(), clip('wav2vec2-tiny/clips/clip05.wav'));
  await page.locator('[data-test=recording]', { hasText: 'clip05.wav' }).waitFor();
  check('a file is stored', true);
}
