// What an operator and a user do, by keyboard alone: Tab, Enter, typing and shortcuts.
import { check } from './harness.mjs';

/** Presses Tab until an element has the focus whose name, text or test name is given. */
async function tabTo(page, what, most = 250) {
  for (let i = 0; i < most; i++) {
    await page.keyboard.press('Tab');
    const found = await page.evaluate((w) => {
      const e = document.activeElement;
      return [e.getAttribute('aria-label'), e.textContent.trim(), e.getAttribute('name'), e.dataset?.test].includes(w);
    }, what);
    if (found) return;
  }
  throw new Error(`Tab does not reach ${what}`);
}
const jump = async (page, key, title) => {
  await page.keyboard.press('Escape'); // out of a field
  await page.keyboard.press('g');
  await page.keyboard.press(key);
  await page.locator('h1', { hasText: title }).waitFor();
};
export const press = async (page, what) => {
  await tabTo(page, what);
  await page.keyboard.press('Enter');
};

export async function everythingByKeyboard(page, base) {
  await page.goto(`${base}/#/`);
  await page.reload();
  await page.locator('.hero').waitFor();
  await press(page, 'Sample: bell and siren');
  await page.locator('.surface').waitFor();
  await tabTo(page, 'question');
  await page.keyboard.type('What do you hear?');
  await page.keyboard.press('Enter');
  await page.locator('.dialogue .meta').waitFor();
  check('a question is asked by keyboard alone', true, await page.locator('[data-test=answer]').last().textContent());
  await jump(page, 'd', 'Edit');
  await press(page, 'Louder');
  await page.keyboard.press('Control+Enter');
  await page.locator('[data-test=compare]').waitFor();
  check('a sound is edited by keyboard alone', true);
  const operations = await page.evaluate(async () => { // the key comes when the change is drawn, before any effect of it
    const { fetch } = window, sent = new Promise((resolve) => {
      window.fetch = (path, request) => {
        if (/audio\/edits$/.test(path)) resolve(request.body.get('operations'));
        return fetch(path, request);
      };
    });
    const choice = document.querySelector('select[name=operation]');
    choice.value = 'reverse';
    choice.dispatchEvent(new Event('change', { bubbles: true }));
    await new Promise((done) => queueMicrotask(() => queueMicrotask(done)));
    dispatchEvent(new KeyboardEvent('keydown', { key: 'Enter', ctrlKey: true }));
    const what = await sent;
    window.fetch = fetch;
    return JSON.parse(what).map((x) => x.op).join(' ');
  });
  check('a key that comes at once runs what is on the screen', operations === 'normalize reverse', operations);
  await jump(page, 'r', 'Measure');
  await page.locator('[data-test=measure]:not([disabled])').waitFor();
  await page.keyboard.press('Control+Enter');
  await page.locator('[data-test=picture]').waitFor();
  check('a sound is measured by keyboard alone', true);
  await jump(page, 'i', 'Pipelines');
  await page.locator('[data-test=run-pipeline]:not([disabled])').waitFor();
  await page.keyboard.press('Control+Enter');
  await page.locator('[data-test=result]').waitFor();
  check('a pipeline is run by keyboard alone', true);
  await jump(page, 'o', 'Models');
  await page.locator('tbody tr').first().waitFor();
  await press(page, 'Unload');
  await page.locator('tbody tr').first().getByRole('button', { name: 'Load', exact: true }).waitFor();
  await page.locator('main').focus();
  await press(page, 'Load');
  await page.locator('tbody tr').first().getByRole('button', { name: 'Unload' }).waitFor();
  check('a model is unloaded and loaded by keyboard alone', true);
  await jump(page, 's', 'System');
  await page.locator('section[aria-label=Services] tbody tr').first().waitFor();
  await press(page, 'Restart');
  await page.locator('[data-test=confirm]:focus').waitFor();
  await page.keyboard.press('Enter');
  await page.locator('.toast', { hasText: 'was restarted' }).waitFor();
  check('a service is restarted by keyboard alone', true);
  await jump(page, 'c', 'Settings');
  await page.locator('[data-test=create-key]').waitFor();
  await tabTo(page, 'key-name');
  await page.keyboard.type('by keyboard');
  await page.keyboard.press('Enter');
  const row = page.locator('[data-test=key]', { hasText: 'by keyboard' });
  await row.waitFor();
  await page.locator('main').focus();
  await press(page, 'Revoke');
  await press(page, 'Revoke by keyboard');
  await row.waitFor({ state: 'detached' });
  check('a key is created and revoked by keyboard alone', true);
  await page.locator('main').focus();
  await page.keyboard.press('Control+k');
  await page.getByRole('combobox', { name: 'Command' }).waitFor();
  await page.keyboard.type('operators did');
  await page.keyboard.press('Enter');
  await page.locator('section[aria-label="What operators did"] tr', { hasText: '/v1/keys/' }).first().waitFor();
  check('what operators did is found by keyboard alone', true);
}
