// Runs that were cancelled or failed, and go on from one of their steps.
import { check, goTo, patience, settle, until } from './harness.mjs';
import { press } from './keyboard.mjs';

const definition = {
  name: 'clean-and-make', audio: 'required', steps: [
    { id: 'clean', task: 'edit', audio: '${input.audio}', params: { operations: [{ op: 'high_pass', frequency: 80 }] } },
    { id: 'rain', task: 'generate', after: ['clean'], params: { prompt: 'heavy rain', num_inference_steps: 200 } },
    { id: 'words', task: 'transcribe', audio: '${steps.clean.audio}', after: ['rain'] },
  ],
};

export async function retriedFromAStep(page, base) {
  const stored = await fetch(`${base}/v1/pipelines`, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(definition) });
  if (!stored.ok) throw new Error(await stored.text());
  await goTo(page, 'transcribe', 'Transcribe');
  await goTo(page, `pipelines/${definition.name}`, 'Pipelines');
  await page.locator('[data-test=run-pipeline]:not([disabled])').click();
  const run = page.locator(`section[aria-label="Run of ${definition.name}"]`), step = (id) => run.locator('[data-test=step]', { hasText: id });
  await step('rain').locator('.pill', { hasText: 'running' }).waitFor();
  await run.locator('.job').getByRole('button', { name: 'Cancel' }).click();
  await run.locator('.job .pill', { hasText: 'cancelled' }).waitFor();
  await settle(page);
  const took = () => step('clean').locator('td').nth(3).textContent(), before = await took();
  const again = page.getByRole('button', { name: 'Again from here: rain' });
  await again.focus();
  await page.keyboard.press('Enter');
  await step('words').locator('.pill', { hasText: 'succeeded' }).waitFor({ timeout: Math.max(180_000, 5 * patience) });
  await run.locator('[data-test=result]').waitFor();
  await settle(page);
  const states = await run.locator('[data-test=step]').allTextContents();
  check('a cancelled run goes on from a step, and keeps what was done before it', states.every((s) => /succeeded/.test(s)) && (await took()) === before && before !== '–', `clean took ${before}, and ${await took()} after it`);
  await fetch(`${base}/v1/pipelines/${definition.name}`, { method: 'DELETE' });
}

/** The model of its second step is named by the input: a run fails where the server does not have it yet. */
const lacking = {
  name: 'clean-and-hear', audio: 'required', input: { properties: { model: { type: 'string' } }, required: ['model'] }, steps: [
    { id: 'clean', task: 'edit', audio: '${input.audio}', params: { operations: [{ op: 'high_pass', frequency: 80 }] } },
    { id: 'words', task: 'transcribe', model: '${input.model}', audio: '${steps.clean.audio}' },
    { id: 'levels', task: 'analyze', audio: '${steps.clean.audio}', after: ['words'], params: { features: ['levels'] } },
  ],
};

/** Two runs fail at a step, the cause is mended, and they go on from it: one by clicks, one by keyboard alone. */
export async function failedRuns(page, base) {
  const call = async (method, path, body) => {
    const answer = await fetch(base + path, { method, headers: { 'Content-Type': 'application/json' }, body: body && JSON.stringify(body) });
    if (!answer.ok) throw new Error(`${method} ${path}: ${await answer.text()}`);
    return answer.status === 204 ? null : answer.json();
  };
  await call('POST', '/v1/pipelines', lacking);
  await goTo(page, 'transcribe', 'Transcribe');
  await goTo(page, `pipelines/${lacking.name}`, 'Pipelines');
  await page.locator('input[name=model]').fill('someone--speech');
  const run = page.locator(`section[aria-label="Run of ${lacking.name}"]`), step = (id) => run.locator('[data-test=step]', { hasText: id }), took = () => step('clean').locator('td').nth(3).textContent(), runs = [], before = [];
  for (const start of [() => page.locator('[data-test=run-pipeline]').click(), () => page.keyboard.press('Control+Enter')]) {
    const last = page.url();
    await start();
    await until(page, (url) => location.href !== url, last);
    await step('words').locator('.pill', { hasText: 'failed' }).waitFor();
    await step('words').locator('.bad', { hasText: 'someone--speech' }).first().waitFor();
    await settle(page);
    runs.push(page.url().split('/').at(-1));
    before.push(await took());
  }
  const state = await step('clean').textContent();
  check('a run fails at a step, with the reason', /succeeded/.test(state) && (await step('levels').getByRole('button').count()) === 0, (await step('words').locator('.bad').first().textContent()).slice(0, 80));
  const pulled = await call('POST', '/v1/models', { source: 'someone/speech' });
  for (let status = ''; status !== 'succeeded';) {
    ({ status } = await call('GET', `/v1/jobs/${pulled.id}`));
    if (status === 'failed') throw new Error('the model was not downloaded');
    await page.waitForTimeout(50);
  }
  const goesOn = async (how, at) => {
    await step('levels').locator('.pill', { hasText: 'succeeded' }).waitFor();
    await run.locator('[data-test=result]').waitFor();
    await settle(page);
    const states = await run.locator('[data-test=step]').allTextContents();
    check(`a failed run goes on from a step ${how}`, states.length === 3 && states.every((s) => /succeeded/.test(s)) && (await took()) === before[at], `clean took ${before[at]}, and ${await took()} after it`);
  };
  await page.locator('section[aria-label="Latest runs"] a').nth(1).click(); // the earlier one
  await until(page, (id) => location.href.endsWith(id), runs[0]);
  await page.getByRole('button', { name: 'Again from here: words' }).click();
  await goesOn('by clicks', 0);
  await goTo(page, 'transcribe', 'Transcribe');
  await goTo(page, `pipelines/${lacking.name}`, 'Pipelines');
  await page.locator('section[aria-label="Latest runs"] li').nth(1).waitFor();
  const title = await page.locator('section[aria-label="Latest runs"] a').first().textContent();
  await page.locator('main').focus();
  await press(page, title);
  await until(page, (id) => location.href.endsWith(id), runs[1]);
  await step('words').waitFor();
  await press(page, 'Again from here: words');
  await goesOn('by keyboard alone', 1);
  for (const path of [`/v1/pipelines/${lacking.name}`, '/v1/models/someone--speech']) await call('DELETE', path);
}
