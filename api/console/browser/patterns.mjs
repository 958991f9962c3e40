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

/** Edges, previews, names, relations, search, export and import. */
export async function patternsSteered(page) {
  const list = page.locator('section[aria-label=Patterns]'), find = page.locator('[data-test=find]').first(), edges = page.locator('[data-test=edges]');
  await find.locator('button').first().focus();
  await page.keyboard.press('e');
  const before = await edges.textContent();
  for (const key of ['ArrowRight', 'ArrowRight', 'Shift+ArrowLeft']) await page.keyboard.press(key);
  const after = await edges.textContent();
  await page.keyboard.press('Enter');
  await page.waitForFunction(() => /of 1 right ones|of 2 right ones/.test(document.querySelector('[data-test=effect]').textContent));
  check('edges are moved by keyboard', before !== after && (await find.locator('.mono').first().textContent()) === after, `${before} to ${after}`);
  await find.getByRole('button', { name: /Move the edges/ }).click();
  const box = await page.locator('.lanes canvas').boundingBox(), [t0] = (await edges.textContent()).split('–').map((x) => Number(x.split(':')[1])), all = Number(await page.locator('.surface').getAttribute('aria-valuemax'));
  await page.mouse.move(box.x + (t0 / all) * box.width, box.y + 40);
  await page.mouse.down();
  await page.mouse.move(box.x + ((t0 + 0.15) / all) * box.width, box.y + 40, { steps: 5 });
  await page.mouse.up();
  const dragged = await edges.textContent();
  await page.locator('input[name=preview]').check();
  await page.getByRole('button', { name: 'Save edges' }).click();
  await page.getByRole('group', { name: 'What would change' }).waitFor();
  check('edges are moved by mouse, and the effect is shown first', dragged !== after && /would change from/.test(await page.getByRole('group', { name: 'What would change' }).textContent()), dragged);
  await page.locator('[data-test=apply]').click();
  await page.locator('[data-test=apply]').waitFor({ state: 'detached' });
  await page.locator('input[name=preview]').uncheck();
  const [saved] = await Promise.all([page.waitForEvent('download'), list.getByRole('button', { name: 'Export all' }).click()]), file = await saved.path();
  await list.locator('a.title', { hasText: 'mute' }).click();
  await page.locator('aside[aria-label="Pattern mute"] h3', { hasText: 'Relations' }).waitFor();
  await page.locator('input[name=rename]').fill('silence, please');
  await page.keyboard.press('Enter');
  await list.locator('a.title', { hasText: 'silence, please' }).waitFor();
  check('a pattern has its relations, and another name', true, await page.locator('aside.side').last().locator('p.muted').first().textContent());
  await choose(page, () => list.getByRole('button', { name: 'Import', exact: true }).click(), file);
  const incoming = page.getByRole('group', { name: 'Import' });
  await incoming.waitFor();
  check('an import is shown before it is stored', /has 1 pattern with \d+ sounds?\. Nothing has been stored/.test(await incoming.textContent()), await incoming.locator('p').textContent());
  await page.locator('[data-test=import]').click();
  await list.locator('a.title', { hasText: /^mute$/ }).waitFor();
  await list.locator('a.title', { hasText: 'silence, please' }).click();
  await page.getByRole('button', { name: 'Delete silence, please' }).click();
  await page.getByRole('button', { name: 'Delete silence, please' }).click();
  await list.locator('a.title', { hasText: 'silence, please' }).waitFor({ state: 'detached' });
  await page.getByRole('tab', { name: 'Search' }).click();
  await page.keyboard.press('Escape');
  await page.locator('[data-test=search]').click();
  await page.locator('[data-test=hit]').first().waitFor();
  const first = await page.locator('[data-test=hit]').first().textContent();
  await page.locator('[data-test=hit] button').first().click();
  await until(page, () => document.querySelector('.deck-tools .sel').textContent.includes('–'));
  check('stored sound is searched by a span, and a hit is heard', /1\.000$/.test(first), first);
  await page.getByRole('tab', { name: 'Text' }).click();
  await page.locator('input[name=search-text]').fill('a ringing bell');
  await page.locator('[data-test=search]').click();
  await page.locator('[data-test=hit], section[aria-label=Hits] [role=alert]').first().waitFor();
  await page.getByRole('tab', { name: 'Pattern' }).click();
  await page.locator('[data-test=search]').click();
  await page.locator('[data-test=hit]').first().waitFor();
  check('and by a text and a pattern', true, await page.locator('section[aria-label=Hits] h2').textContent());
  await page.getByRole('tab', { name: 'Detect' }).click();
}

/** Deletes what the other checks have seen. */
export async function patternDeleted(page) {
  await goTo(page, 'patterns', 'Patterns');
  await page.locator('section[aria-label=Patterns] a.title', { hasText: 'mute' }).click();
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

/** A definition as text: stored, refused with its faults, changed and deleted. */
export async function pipelinesWritten(page) {
  await page.locator('.rail a.item[href="#/pipelines"]').click();
  await page.getByRole('link', { name: 'New pipeline' }).click();
  const box = page.locator('textarea[name=definition]'), text = await box.inputValue();
  await box.fill(text.slice(0, -9));
  await page.locator('.hint.bad').waitFor();
  check('a text that is not JSON is refused with its line', /line \d+/.test(await page.locator('.hint.bad').textContent()), await page.locator('.hint.bad').textContent());
  await box.fill(text.replace('"transcribe"', '"sing"').replace('high_pass"', 'hihg_pass"'));
  await page.locator('[data-test=store-pipeline]').click();
  await page.locator('[data-test=step-of-text] .bad').first().waitFor();
  const faults = await page.locator('[data-test=step-of-text]').allTextContents();
  check('the faults are at their steps', /operations\[0\]\.op/.test(faults[0]) && /"sing" does not exist/.test(faults[1]), faults[1]);
  await page.getByRole('button', { name: 'Go to the step words' }).click();
  check('a step is found in the text', await box.evaluate((b) => b === document.activeElement && b.value.slice(b.selectionStart).startsWith('"id": "words"')));
  await box.fill(text);
  await page.keyboard.press('Control+Enter');
  await page.locator('h2', { hasText: /^my-pipeline$/ }).waitFor();
  await page.getByRole('link', { name: 'Change', exact: true }).click();
  await box.fill(text.replace('"frequency": 80', '"frequency": 120'));
  await page.locator('[data-test=store-pipeline]').click();
  await page.locator('[data-test=run-pipeline]').waitFor();
  await page.getByRole('link', { name: 'Change', exact: true }).click();
  check('a pipeline is stored and changed', /Version 3 will be stored/.test(await page.locator('aside.side').textContent()));
  await page.locator('[data-test=remove-pipeline]').click();
  await page.getByRole('button', { name: 'Delete my-pipeline' }).click();
  await page.locator('section[aria-label=Pipelines]').waitFor();
  check('and deleted after a question', (await page.locator('section[aria-label=Pipelines] a.title', { hasText: 'my-pipeline' }).count()) === 0);
}
