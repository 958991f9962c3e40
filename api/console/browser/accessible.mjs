// axe-core and the width of every view, in both themes and at three widths.
import { check, goTo, open, part, violations, settle } from './harness.mjs';

const names = ['', 'transcribe', 'ask', 'edit', 'convert', 'measure', 'patterns', 'task', 'generate', 'pipelines', 'pipelines/+', 'recordings', 'jobs', 'jobs/+', 'models', 'models/gama-tiny', 'system', 'settings'];

export async function accessible(browser, base) {
  const found = [], wide = [];
  let pages = 0;
  for (const [width, height] of [[390, 844], [1440, 900], [2560, 1440]]) {
    for (const theme of ['light', 'dark']) {
      const { page, context } = await open(browser, base, { width, height, colorScheme: theme });
      await part(`accessibility at ${width}, ${theme}`, page, async () => {
        await page.goto(base);
        await page.getByRole('button', { name: 'Sample: speech' }).click();
        await page.locator('[data-test=transcribe]').click();
        await page.locator('.transcript button').first().waitFor();
        for (const name of names) {
          await goTo(page, name);
          await page.locator(name ? '.main > *' : '.hero').first().waitFor();
          await settle(page);
          for (const v of await violations(page)) found.push(`${name || 'start'} ${theme} ${width}: ${v}`);
          const over = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth + Math.max(0, document.querySelector('.main').scrollWidth - document.querySelector('.main').clientWidth));
          if (over > 0) wide.push(`${name || 'start'} ${width}: ${over} px`);
          if (process.env.CONSOLE_SHOTS) await page.screenshot({ path: `${process.env.CONSOLE_SHOTS}/${(name || 'start').replace('/', '-')}-${theme}-${width}.png` });
          pages++;
        }
        await page.keyboard.press('Control+k');
        for (const v of await violations(page)) found.push(`palette ${theme} ${width}: ${v}`);
      });
      await context.close();
    }
  }
  for (const line of found) console.log(`      ${line}`);
  check(`axe-core finds no violation in ${pages} pages`, found.length === 0 && pages === names.length * 6);
  const { page, context } = await open(browser, base, { width: 320, height: 640 });
  await page.goto(base);
  await page.locator('.hero').waitFor();
  for (const name of names) {
    await goTo(page, name);
    await settle(page);
    const over = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    if (over > 0) wide.push(`${name || 'start'} 320: ${over} px`);
  }
  await context.close();
  check('no view is wider than the page, from 320 to 2560 pixels', wide.length === 0, wide.join(', '));
}
