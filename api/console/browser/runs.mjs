// A run that was cancelled, and goes on from one of its steps.
import { check, goTo, patience, settle } from './harness.mjs';

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
