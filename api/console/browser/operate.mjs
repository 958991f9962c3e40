// Models, keys, conversations and jobs, as an operator has them.
import { check, choose, clip, goTo, until } from './harness.mjs';

export async function conversations(page) {
  await page.locator('[data-test=question]').fill('What do you hear?');
  await page.getByRole('button', { name: 'Ask', exact: true }).click();
  await page.locator('.dialogue .meta').waitFor();
  await page.reload(); // the page forgets, the server does not
  await page.locator('[data-test=conversations] summary').click();
  await page.getByRole('button', { name: 'Continue: What do you hear?' }).click();
  await page.locator('.dialogue .q').waitFor();
  await page.locator('.ask .chips button').first().click();
  await page.locator('.dialogue .meta').waitFor();
  check('a conversation is continued after a reload', /from the cache/.test(await page.locator('.dialogue .meta').last().textContent()), await page.locator('.dialogue .meta').last().textContent());
  await page.getByRole('button', { name: 'New conversation' }).click();
}

export async function labels(page) {
  const bar = page.locator('details.panel', { hasText: 'All jobs with a label' });
  await bar.locator('summary').click();
  await bar.locator('input').fill('name:heavy rain');
  await bar.getByRole('button', { name: 'Delete the ended ones' }).click();
  await bar.getByRole('button', { name: 'Delete the ended ones with name:heavy rain' }).click();
  await page.locator('.toast', { hasText: '1 job has the label: 0 cancelled, 1 deleted' }).waitFor();
  check('jobs are deleted by their label', true);
  await page.locator('tbody a.title', { hasText: 'a low bell' }).click();
  const detail = page.locator('aside[aria-label=Job]');
  await detail.getByRole('button', { name: 'Delete' }).click();
  await page.locator('tbody a.title', { hasText: 'a low bell' }).waitFor({ state: 'detached' });
  check('a job is deleted', true);
}

export async function modelsSteered(page) {
  await page.locator('tbody a.title', { hasText: 'audioldm-tiny' }).click();
  const side = page.locator('aside[aria-label="Model audioldm-tiny"]');
  await side.waitFor();
  for (const [name, back, shown] of [['Drain', 'Resume', 'drained'], ['Open breaker', 'Close breaker', 'open']]) {
    await side.getByRole('button', { name }).click();
    await page.locator('input[name=reason]:focus').waitFor();
    await page.keyboard.type('new weights');
    const command = await side.getByRole('form', { name }).locator('.curl').textContent();
    await page.keyboard.press('Enter');
    await side.locator('.pill', { hasText: shown }).first().waitFor();
    await side.getByRole('button', { name: back }).click();
    await page.locator('[data-test=confirm]').click();
    await side.getByRole('button', { name }).waitFor();
    check(`${name} and ${back} for one model`, /model=audioldm-tiny/.test(command) && /new weights/.test(command), command.slice(0, 60));
  }
  await page.locator('summary', { hasText: 'Catalogue' }).click();
  await page.getByRole('searchbox', { name: 'Find by name' }).fill('german');
  await page.getByRole('button', { name: 'Choose wav2vec2-large-xlsr-53-german' }).click();
  check('the catalogue fills the form', (await page.locator('input[name=source]').inputValue()) === 'wav2vec2-large-xlsr-53-german');
}

export async function past(page) {
  const lately = page.locator('section[aria-label=Lately]');
  await lately.locator('.trail li').first().waitFor();
  check('the slowest models, the busiest hours and the refusals are shown', /of work/.test(await lately.textContent()) && /none was lost/.test(await lately.textContent()));
}

export async function keys(page) {
  await page.locator('input[name=key-name]').fill('a colleague');
  await page.locator('select[name=scopes]').selectOption('use,read');
  await page.locator('select[name=life]').selectOption('30');
  await page.locator('[data-test=create-key]').click();
  const key = await page.locator('[data-test=new-key]').textContent(), row = page.locator('[data-test=key]', { hasText: 'a colleague' });
  await row.waitFor();
  check('a key is created, and shown once', /^grym_[0-9a-f]{12}_[0-9a-f]{64}$/.test(key) && /(29|30) d/.test(await row.textContent()), await row.textContent());
  await row.getByRole('button', { name: 'Revoke' }).click();
  await row.getByRole('button', { name: 'Revoke a colleague' }).click();
  await row.waitFor({ state: 'detached' });
  check('and revoked after a question', true);
}

/** A model whose folder has changed takes the place of the loaded one. */
export async function reloaded(page, id) {
  await page.locator('tbody a.title', { hasText: id }).click();
  const side = page.locator(`aside[aria-label="Model ${id}"]`);
  await side.getByRole('button', { name: 'Reload' }).click();
  const form = side.getByRole('form', { name: 'Reload' });
  await form.locator('input[name=gap]').check();
  const command = await form.locator('.curl').textContent();
  await form.locator('input[name=gap]').uncheck();
  await page.locator('[data-test=confirm]').click();
  await page.locator('.toast', { hasText: `${id} was loaded anew` }).waitFor();
  check('a model is reloaded after a question', command.includes(`/reload?model=${id}&gap=true`), command.slice(-80));
  await side.getByRole('link', { name: 'Close' }).click();
}

/** What the other checks did as an operator, the newest first. */
export async function audit(page, base) {
  const list = page.locator('section[aria-label="What operators did"]'), rows = list.locator('[data-test=action]');
  await fetch(`${base}/v1/keys/none`, { method: 'DELETE' });
  await page.reload();
  await rows.first().waitFor();
  check('a refused action is recorded', /no key.*DELETE \/v1\/keys\/none.*refused404 not_found/.test(await rows.first().textContent()), await rows.first().textContent());
  await list.getByRole('searchbox', { name: 'Find by who' }).fill('gama/breaker/open');
  await until(page, () => document.querySelectorAll('[data-test=action]').length === 1);
  check('an action is found, with its reason', /\/v1\/services\/gama\/breaker\/open.*new weights.*done/.test(await rows.first().textContent()), await rows.first().textContent());
  await list.getByRole('searchbox', { name: 'Find by who' }).fill('');
  await list.getByRole('button', { name: 'Show more' }).click();
  await until(page, () => document.querySelectorAll('[data-test=action]').length > 10);
}
