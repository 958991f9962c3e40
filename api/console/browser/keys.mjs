// A server that requires keys: signing in, and what a session may do.
import { check, goTo, open, part, serve } from './harness.mjs';

export async function withKeys(browser, binary) {
  const server = await serve(binary, { settings: { GRYM_AUTH__MODE: 'keys' } });
  const { page, context, seen } = await open(browser, server.base);
  try {
    await part('sign-in', page, async () => {
      await page.goto(server.base);
      const dialog = page.getByRole('dialog', { name: 'Sign in' });
      await dialog.waitFor();
      await dialog.locator('input').fill('grym_00_11');
      await page.keyboard.press('Enter');
      await dialog.locator('[role=alert]').waitFor();
      check('an invalid key is refused', /not valid/.test(await dialog.locator('[role=alert]').textContent()));
      await dialog.locator('input').fill(server.key());
      await page.keyboard.press('Enter');
      await page.locator('.server', { hasText: 'Healthy' }).waitFor();
      const [cookie] = await context.cookies();
      check('the session is a cookie for this site alone', cookie.httpOnly && cookie.sameSite === 'Strict' && !cookie.value.includes('grym_'), cookie.name);
      const stored = await page.evaluate(() => JSON.stringify([{ ...localStorage }, { ...sessionStorage }]));
      check('the key is not stored in the browser', !stored.includes('grym_'), stored);
      await goTo(page, 'generate', 'Text to audio');
      await page.locator('[data-test=prompt]').fill('a low bell');
      await page.locator('[data-test=generate]').click();
      await page.locator('[data-test=sound]').first().waitFor();
      check('a signed-in user submits a job, follows it and hears its sound', true);
      check('the curl command has a variable for the key', /\$GRYM_KEY/.test(await page.locator('.curl pre').first().textContent()));
      await page.reload();
      await goTo(page, 'system', 'System');
      await page.locator('.plot canvas').first().waitFor();
      check('the session survives a reload', true);
      const refused = await page.evaluate(async () => (await fetch('/v1/services/gama/restart', { method: 'POST' })).status);
      check('a change without the token is refused', refused === 403, String(refused));
      await goTo(page, 'settings', 'Settings');
      await page.getByRole('button', { name: 'Sign out' }).click();
      await dialog.waitFor();
      check('signing out ends the session', (await context.cookies()).length === 0);
      const rows = page.locator('[data-test=action]');
      await dialog.locator('input').fill(server.key());
      await page.keyboard.press('Enter');
      await goTo(page, 'system', 'System');
      await rows.nth(3).waitFor();
      const ends = (await rows.allTextContents()).slice(0, 4).map((x) => x.replace(/^.*?from 127/, '127'));
      check('what operators did has the sign-ins and sign-outs, also a refused one', /Sign-in.*done/.test(ends[0]) && /Sign-out.*done/.test(ends[1]) && /Sign-in.*done/.test(ends[2]) && /Sign-in.*refused401 invalid_api_key/.test(ends[3])
        && /invalid key/.test(await rows.nth(3).textContent()) && !(await page.locator('main').textContent()).includes(server.key()), ends.join(' | '));
      const problems = seen.problems.filter((p) => !/status of (401|403)/.test(p));
      check('no error in the browser’s console with keys', problems.length === 0, problems.join(' | '));
    });
  } finally {
    await context.close();
    await server.stop();
  }
}
