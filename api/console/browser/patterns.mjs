// Patterns and pipelines.
import { check, choose, clip, goTo, until } from './harness.mjs';

const speech = (...numbers) => numbers.map((n) => clip(`wav2vec2-tiny/clips/clip${n}.wav`));

export async function patterns(page) {
  await page.locator('.rail a.item[href="#/patterns"]').click();
  await page.getByRole('heading', { name: 'No patterns yet' }).waitFor();
  await choose(page, () => page.locator('.transport').getByRole('button', { name: 'Open a recording' }).click(), speech('09'));
  const form = page.getByRole('form', { name: 'Teach a pattern' });
  await form.locator('input[name=name]').fill('mute');
  await choose(page, () => form.locator('[data-test=examples]').getByRole('button', { name: 'Files' }).click(), speech('03', '09'));
  await form.getByRole('button', { name: 'The recording' }).first().click();
  check('examples are files, and what is in the deck', (await form.locator('[data-test=examples] li').count()) === 3, await form.locator('[data-test=examples] li').allTextContents());
  check('the curl command of teaching has them', (await form.locator('.curl').textContent()).split('-F examples=@').length === 4);
  await form.locator('[data-test=teach]').click();
  const row = page.locator('section[aria-label=Patterns] tbody tr', { hasText: 'mute' });
  await row.waitFor();
  check('a pattern is taught, with a warning under five examples', /few examples/.test(await row.textContent()) && /3 of the 5/.test(await row.textContent()), (await row.textContent()).slice(0, 90));
  await page.locator('[data-test=detect]').click();
  await page.locator('[data-test=find]').first().waitFor();
  await page.locator('.notes button', { hasText: 'mute' }).first().waitFor({ state: 'attached' });
  check('it is detected, and shown on the time axis', true, await page.locator('[data-test=find]').first().textContent());
  await page.locator('[data-test=find]').first().getByRole('button', { name: 'Wrong' }).click();
  await page.locator('[data-test=effect]', { hasText: 'threshold' }).waitFor();
  check('a detection is judged by a button', (await page.locator('[data-test=find] [aria-pressed=true]').first().textContent()) === 'Wrong', await page.locator('[data-test=effect]').textContent());
  await page.locator('[data-test=find] button').first().focus();
  await page.keyboard.press('y');
  await until(page, () => document.querySelector('[data-test=find] [aria-pressed=true]')?.textContent === 'Right');
  await until(page, () => /1 right, 0 wrong/.test(document.querySelector('section[aria-label=Patterns] tbody').textContent));
  check('and by a key, which replaces the verdict', true);
}

/** Deletes what the other checks have seen. */
export async function patternDeleted(page) {
  await goTo(page, 'patterns', 'Patterns');
  await page.getByRole('button', { name: 'Delete mute' }).click();
  await page.getByRole('button', { name: 'Delete mute' }).click();
  await page.getByRole('heading', { name: 'No patterns yet' }).waitFor();
  check('a pattern is deleted after a question', true);
}

export async function pipelines(page) {
  await page.locator('.rail a.item[href="#/pipelines"]').click();
  await page.locator('section[aria-label=Pipelines] a', { hasText: 'clean-and-transcribe' }).click();
  await page.locator('[data-test=drawing][alt="Drawing of clean-and-transcribe"]').waitFor();
  const size = await page.locator('[data-test=drawing]').evaluate(async (img) => { await img.decode(); return [img.naturalWidth, img.naturalHeight]; });
  check('a pipeline is drawn', size[0] > 300 && size[1] > 50, size.join(' by '));
  await page.locator('input[name=loudness]').fill('-23');
  await page.getByRole('tab', { name: 'JSON' }).click();
  const box = page.locator('textarea[name=input]'), written = await box.inputValue();
  await box.fill('{"loudness": }');
  check('its input is a form or JSON, which is checked', JSON.parse(written).loudness === -23 && (await page.locator('[data-test=run-pipeline]').isDisabled()), written.replace(/\s+/g, ' '));
  await box.fill('{"loudness": -24}');
  await page.locator('[data-test=run-pipeline]').click();
  await page.locator('[data-test=result]').waitFor();
  const steps = await page.locator('[data-test=step]').allTextContents();
  check('a run of the deck’s recording has its steps with their states', steps.length === 3 && steps.every((s) => /succeeded/.test(s)), steps.map((s) => s.slice(0, 16)).join(', '));
  check('and its result', /MUTE/.test(await page.locator('[data-test=result]').textContent()));
  await page.locator('[data-test=drawing][alt^="Drawing of the run"]').waitFor();
  await page.getByRole('button', { name: 'To the deck: sound 1 of clean' }).click();
  await until(page, () => /^clean\./.test(document.querySelector('.transport select').selectedOptions[0].textContent));
  check('the sound of a step goes to the deck', true);
  check('the run is listed', (await page.locator('section[aria-label="Latest runs"] li').count()) === 1);
}
