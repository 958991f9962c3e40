// Firefox, once through every view.
import { check, find } from './harness.mjs';
import { launch } from './bidi.mjs';

const views = ['ask', 'edit', 'convert', 'measure', 'patterns', 'task', 'generate', 'pipelines', 'recordings', 'jobs', 'models', 'system', 'settings'];

export async function withFirefox(base) {
  const executable = find('firefox');
  if (!executable) {
    console.log('skip  there is no Firefox (Debian: apt-get install firefox-esr)');
    return;
  }
  const firefox = await launch(executable);
  try {
    await firefox.goto(base);
    await firefox.until(() => [...document.querySelectorAll('.hero button')].find((b) => b.textContent === 'Sample: speech'));
    await firefox.evaluate(() => [...document.querySelectorAll('.hero button')].find((b) => b.textContent === 'Sample: speech').click());
    await firefox.until(() => document.querySelector('[data-test=transcribe]:not([disabled])') && document.querySelector('.surface'));
    await firefox.evaluate(() => document.querySelector('[data-test=transcribe]').click());
    const words = await firefox.until(() => [...document.querySelectorAll('.transcript button')].map((b) => b.textContent).join(' '));
    check(`Firefox ${firefox.version} transcribes`, words.startsWith('MUTE TRACK ONE'), words);
    for (const view of views) {
      await firefox.evaluate((v) => { location.hash = `#/${v}`; }, view);
      await firefox.until((v) => document.querySelector(`.rail a[href="#/${v}"][aria-current]`) && document.querySelector('.main > *'), view);
    }
    await firefox.evaluate(() => { location.hash = '#/system'; });
    await firefox.until(() => document.querySelectorAll('.plot canvas').length === 6);
    check('Firefox shows every view without an error', firefox.errors.length === 0, firefox.errors.join(' | '));
  } catch (e) {
    check('Firefox', false, e.message);
  } finally {
    await firefox.close();
  }
}
