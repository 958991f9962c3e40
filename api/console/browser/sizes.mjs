// How much the browser loads, and when it paints.
import { open, check, part, settle } from './harness.mjs';

const kilobytes = (n) => `${(n / 1000).toFixed(1)} kB`;

export async function sizes(browser, base) {
  const { page, context } = await open(browser, base), bytes = new Map(), client = await context.newCDPSession(page);
  await part('sizes', page, async () => {
    await client.send('Network.enable');
    const urls = new Map();
    client.on('Network.requestWillBeSent', (e) => urls.set(e.requestId, e.request.url));
    client.on('Network.loadingFinished', (e) => bytes.set(urls.get(e.requestId), e.encodedDataLength));
    const files = () => [...bytes].filter(([url]) => url?.startsWith(base) && !/\/v1\/|healthz|\/session$/.test(url));
    const sum = (list) => list.reduce((n, [, size]) => n + size, 0);
    await page.goto(base);
    await page.locator('.hero').waitFor();
    await settle(page);
    const { paint, before } = await page.evaluate(() => {
      const at = performance.getEntriesByName('first-contentful-paint')[0].startTime;
      return { paint: at, before: performance.getEntriesByType('resource').filter((e) => e.startTime < at).map((e) => e.name) };
    });
    const early = [`${base}/`, ...before], first = files();
    check('at most 4 requests before the first paint', early.length <= 4, `${early.map((url) => url.replace(/.*\//, '') || '/').join(' ')}, paint after ${Math.round(paint)} ms`);
    const earlyBytes = sum(first.filter(([url]) => early.includes(url)));
    check('at most 60 kB before the first paint', earlyBytes <= 60_000, kilobytes(earlyBytes));
    check('at most 120 kB for the first view', sum(first) <= 120_000, `${kilobytes(sum(first))} in ${first.length} files`);
    for (const view of ['transcribe', 'ask', 'edit', 'convert', 'measure', 'patterns', 'task', 'generate', 'pipelines', 'recordings', 'jobs', 'models', 'system', 'settings']) {
      await page.evaluate((v) => { location.hash = `#/${v}`; }, view);
      await settle(page);
    }
    await page.locator('.rail a.item[href="#/transcribe"]').click();
    await page.getByRole('button', { name: 'Use the sample clip' }).first().click();
    await page.locator('.surface').waitFor();
    check('at most 400 kB for everything', sum(files()) <= 400_000, `${kilobytes(sum(files()))} in ${files().length} files`);
  });
  await context.close();
}
