// Every view by pointer, and the main tasks by keyboard alone.
import { check, choose, clip, goTo, until } from './harness.mjs';
import { patterns, patternsSteered, pipelines, pipelinesWritten } from './patterns.mjs';
import { edits, recordings } from './edits.mjs';
import { audit, conversations, keys, labels, modelsSteered, past, reloaded } from './operate.mjs';
import { failedRuns, retriedFromAStep } from './runs.mjs';

const words = (page) => page.locator('.transcript button').allTextContents();
const deckTime = async (page) => Number(await page.locator('.surface').getAttribute('aria-valuenow'));

export async function byPointer(page, base) {
  await page.goto(base);
  await page.locator('.hero').waitFor();
  await times(page);
  await transcribe(page);
  await ask(page);
  await conversations(page);
  await convert(page);
  await edits(page);
  await recordings(page);
  await measure(page);
  await patterns(page);
  await patternsSteered(page);
  await pipelines(page);
  await pipelinesWritten(page);
  await retriedFromAStep(page, base);
  await failedRuns(page, base);
  await otherTasks(page);
  await generate(page);
  await jobs(page);
  await labels(page);
  await models(page);
  await modelsSteered(page);
  await system(page, base);
  await past(page);
  await audit(page, base);
  await settings(page);
  await keys(page);
}

/** Texts of times are rounded as a whole: no "1 min 60 s". */
async function times(page) {
  const texts = await page.evaluate(async () => {
    const boot = performance.getEntriesByType('resource').find((e) => e.name.endsWith('/app/boot.js')).name, { span, clock } = await import(new URL('lib.js', boot).href);
    return [0.02, 0.9996, 9.97, 59.4, 59.7, 179.6, 3599.8, 7300, 86399.9].map(span).concat([59.999, 3599.996, 61.25].map((s) => clock(s)), clock(59.6, 0)).join(', ');
  });
  check('times are rounded as a whole', texts === '20 ms, 1.0 s, 10 s, 59 s, 1 min 0 s, 3 min 0 s, 1 h 0 min, 2 h 1 min, 1 d 0 h, 1:00.00, 1:00:00.00, 1:01.25, 1:00', texts);
}

async function transcribe(page) {
  await choose(page, () => page.getByRole('button', { name: 'Open a recording' }).first().click(), clip('wav2vec2-tiny/clips/clip09.wav'));
  await page.locator('[data-test=transcribe]').click();
  await page.locator('.transcript button').first().waitFor();
  check('a recording is transcribed', (await words(page)).join(' ') === 'MUTE TRACK ONE', (await words(page)).join(' '));
  await page.locator('.transcript button').nth(1).click();
  await until(page, () => document.querySelector('.transcript button:nth-of-type(2)').classList.contains('lit'));
  const at = await deckTime(page);
  check('a click on a word plays its moment, and it is lit', at > 0.35 && at < 0.8, `at ${at} s`);
  for (const format of ['SRT', 'WebVTT', 'JSON', 'Text']) {
    await page.getByRole('tab', { name: format }).click();
    await until(page, () => document.querySelector('pre.panel')?.textContent.includes('MUTE'));
  }
  await page.getByRole('tab', { name: 'Words' }).click();
  const box = await page.locator('.lanes canvas').boundingBox();
  await page.mouse.move(box.x + 2, box.y + 40);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width * 0.33, box.y + 40, { steps: 4 });
  await page.mouse.up();
  await page.locator('[data-test=transcribe]').click();
  await until(page, () => document.querySelectorAll('.transcript button').length === 1);
  check('only the selected span is sent', (await words(page)).join() === 'MUTE', (await words(page)).join());
  await page.getByRole('button', { name: 'Clear' }).click();
  await page.getByRole('button', { name: 'Copy the curl command' }).click();
  const copied = await page.evaluate(() => navigator.clipboard.readText());
  check('the curl command is copied', /^curl -F file=@clip09\.wav .*\/v1\/audio\/transcriptions$/.test(copied), copied);
  const bad = await page.evaluateHandle(() => {
    const data = new DataTransfer();
    data.items.add(new File(['no sound at all'], 'notes.txt', { type: 'text/plain' }));
    return data;
  });
  await page.dispatchEvent('body', 'drop', { dataTransfer: bad });
  const error = page.locator('.deck-error [role=alert] b');
  await error.waitFor();
  check('a text file is refused in the server’s words', /accepted: WAV/.test(await error.textContent()), (await error.textContent()).slice(0, 60));
  await page.getByRole('button', { name: 'Dismiss' }).click();
}

async function ask(page) {
  await page.locator('.rail a.item[href="#/ask"]').click();
  await choose(page, () => page.getByRole('button', { name: 'Open a recording' }).first().click(), clip('gama-tiny/clips/clip00.wav'));
  await page.evaluate(() => {
    window.steps = new Set();
    const look = () => window.steps.add([...document.querySelectorAll('[data-test=answer]')].at(-1)?.textContent);
    new MutationObserver(look).observe(document.querySelector('.main'), { subtree: true, childList: true, characterData: true });
  });
  await page.locator('[data-test=question]').fill('What do you hear?');
  await page.getByRole('button', { name: 'Ask', exact: true }).click();
  await page.locator('.dialogue .meta').waitFor();
  const answer = await page.locator('[data-test=answer]').first().textContent(), steps = await page.evaluate(() => window.steps.size);
  check('a question is answered, streamed', answer.length > 3 && steps > 2, `“${answer}” in ${steps} steps`);
  await page.locator('.ask .chips button').first().click();
  await until(page, () => document.querySelectorAll('.dialogue .meta').length === 2);
  const usage = await page.locator('.dialogue .meta').last().textContent();
  check('a further question uses the conversation', /from the cache/.test(usage), usage);
  await page.getByRole('button', { name: 'New conversation' }).click();
  await until(page, () => !document.querySelector('.dialogue .q'));
}

async function convert(page) {
  await page.locator('.rail a.item[href="#/convert"]').click();
  await page.locator('select[name=container]').selectOption('flac');
  await page.locator('select[name=bit_depth]').selectOption('24');
  await page.locator('.side button.primary').click();
  await page.getByRole('button', { name: 'Play: After' }).waitFor();
  const row = await page.locator('tbody tr').nth(1).textContent();
  check('a recording is converted with the form of the schema', /\.flac/.test(row) && /audio\/flac/.test(row), row.slice(0, 60));
  await page.locator('tbody').getByRole('button', { name: 'To the deck' }).click();
  await until(page, () => /\.flac/.test(document.querySelector('.transport select').selectedOptions[0].textContent));
}

async function measure(page) {
  await page.locator('.rail a.item[href="#/measure"]').click();
  await page.locator('[data-test=measure]').click();
  await page.locator('[data-test=picture]').waitFor();
  const size = await page.locator('[data-test=picture]').evaluate(async (img) => { await img.decode(); return [img.naturalWidth, img.naturalHeight]; });
  check('a recording is drawn', size.join() === '1200,360', size.join(' by '));
  const rows = await page.locator('[data-test=numbers] tr').allTextContents();
  check('and measured, with units', rows.some((r) => /^Peak-?\d.*dBFS$/.test(r)) && rows.some((r) => /LUFS$/.test(r)), `${rows.length} rows`);
  await page.locator('select[name=kind]').selectOption('waveform');
  await page.locator('[data-test=measure]').click();
  await until(page, () => /^Waveform/.test(document.querySelector('[data-test=picture]').alt));
  check('as another picture', (await page.locator('select[name=colors]').count()) === 0);
}

async function otherTasks(page) {
  await page.locator('.rail a.item[href="#/task"]').click();
  await page.locator('.side select').first().waitFor();
  const tasks = await page.locator('.side select').first().locator('option').allTextContents();
  check('tasks without a view have a form', ['Description', 'Embedding', 'Classification'].every((t) => tasks.includes(t)), tasks.join(', '));
  await page.locator('.side select').first().selectOption('caption');
  await page.locator('[data-test=run]').click();
  await page.locator('.lead').waitFor();
  check('such a task runs', (await page.locator('.lead').textContent()).length > 3, await page.locator('.lead').textContent());
  await page.locator('.side select').first().selectOption('embed');
  await Promise.all([page.waitForResponse((r) => new URL(r.url()).pathname === '/v1/audio/embeddings' && r.ok()), page.locator('[data-test=run]').click()]);
  await page.locator('.side select').first().selectOption('classify');
  await page.locator('.side details summary').first().click();
  const seconds = page.locator('input[name=window_seconds]');
  await seconds.pressSequentially('30.05'); // the default on the way
  check('a number stays as it is typed', (await seconds.inputValue()) === '30.05', await seconds.inputValue());
  await seconds.fill('');
  await page.locator('input[name=labels]').pressSequentially('speech, rain, a bell');
  await page.keyboard.press('Control+Enter');
  await page.locator('.bars li').nth(2).waitFor();
  check('a sound is classified by the labels of the form', (await page.locator('.bars li').allTextContents()).length === 3, (await page.locator('.bars li').allTextContents()).map((x) => x.trim()).join(', '));
}

async function generate(page) {
  await page.locator('.rail a.item[href="#/generate"]').click();
  await page.locator('[data-test=prompt]').fill('heavy rain');
  const count = page.locator('input[name=num_waveforms_per_prompt]');
  await count.fill('2');
  await page.locator('[data-test=generate]').click();
  await until(page, () => document.querySelectorAll('[data-test=sound]').length === 2);
  check('two sounds are generated by a job that is followed by its events', true);
  await page.locator('[data-test=play-sound]').first().click();
  await until(page, () => document.querySelector('[data-test=sound] audio').currentTime > 0.1);
  await page.locator('[data-test=sound]').first().getByRole('button', { name: 'To the deck' }).click();
  await until(page, () => /heavy-rain/.test(document.querySelector('.transport select').selectedOptions[0].textContent));
  check('a sound is played and goes to the deck', true);
}

async function jobs(page) {
  await page.locator('[data-test=prompt]').fill('a low bell');
  await page.locator('.side details summary').first().click();
  await page.locator('input[name=num_inference_steps]').fill('200');
  await page.locator('[data-test=generate]').click();
  await page.locator('header.top button', { hasText: 'Jobs' }).click();
  const card = page.locator('.drawer .job', { hasText: 'a low bell' }).first(), bar = card.locator('[role=progressbar]');
  await until(page, () => Number(document.querySelector('.drawer .job [role=progressbar]')?.getAttribute('aria-valuenow')) > 0);
  const before = Number(await bar.getAttribute('aria-valuenow'));
  await page.waitForFunction((n) => Number(document.querySelector('.drawer .job [role=progressbar]').getAttribute('aria-valuenow')) > n, before);
  check('the bar of a job moves in the drawer', true, `from ${before} %`);
  await card.getByRole('button', { name: 'Cancel' }).click();
  await card.locator('.pill', { hasText: 'cancelled' }).waitFor();
  check('a job is cancelled', true);
  await page.getByRole('button', { name: 'Close jobs' }).click();
  await page.locator('.rail a.item[href="#/jobs"]').click();
  const files = ['clip01', 'clip02', 'clip03'].map((n) => clip(`wav2vec2-tiny/clips/${n}.wav`));
  await batchOf(page, files);
  await page.locator('[data-test=batch]', { hasText: '3 of 3 finished' }).waitFor();
  check('a batch of three files is finished', true);
  await page.locator('section.panel a.title').first().click();
  const line = page.locator('.side .job', { hasText: 'clip03' });
  await line.locator('p').waitFor();
  await line.getByRole('button', { name: 'To the deck' }).click();
  await page.locator('.notes button').first().waitFor({ state: 'attached' });
  check('a batch shows its results, and a recording goes to the deck', true, await line.locator('p').textContent());
  await batchOf(page, [...files, clip('wav2vec2-tiny/README.md')]);
  const failed = page.locator('section', { hasText: '4 of 4 finished, 1 failed' });
  await failed.waitFor();
  const [archive] = await Promise.all([page.waitForEvent('download'), failed.getByRole('button', { name: 'Results' }).click()]);
  check('a batch with a bad file has the others, in an archive', archive.suggestedFilename().endsWith('.zip'), archive.suggestedFilename());
  await failed.getByRole('button', { name: 'Retry failed' }).click();
  await page.locator('section', { hasText: '4 of 4 finished, 1 failed' }).getByRole('button', { name: 'Delete' }).click();
  await failed.waitFor({ state: 'detached' });
  check('a batch is retried and deleted', true);
}

async function batchOf(page, files) {
  await page.getByRole('link', { name: 'Batch of files' }).click();
  await choose(page, () => page.getByRole('button', { name: 'Choose files' }).click(), files);
  await page.locator('[data-test=submit-batch]').click();
}

async function models(page) {
  await page.locator('.rail a.item[href="#/models"]').click();
  const row = page.locator('tbody tr', { hasText: 'gama-tiny' });
  await row.getByRole('button', { name: 'Unload' }).click();
  await row.getByRole('button', { name: 'Load', exact: true }).click();
  await row.getByRole('button', { name: 'Unload' }).waitFor();
  check('a model is unloaded and loaded', true);
  await page.locator('input[name=source]').fill('someone/speech');
  await page.locator('[data-test=pull]').click();
  const pulled = page.locator('section[aria-label="Download a model"] .job', { hasText: 'someone/speech' });
  await pulled.locator('.pill', { hasText: 'succeeded' }).waitFor();
  const folder = page.locator('tbody tr', { hasText: 'someone--speech' });
  await reloaded(page, 'someone--speech');
  await folder.getByRole('button', { name: 'Delete' }).click();
  check('a model is downloaded, with its progress', /models folder/.test(await folder.textContent()), await pulled.textContent());
  await folder.getByRole('button', { name: 'Delete someone--speech' }).click();
  await folder.waitFor({ state: 'detached' });
  check('and deleted after a question', true);
  check('aliases are listed', (await page.locator('section[aria-label=Aliases] tbody tr').count()) > 0);
}

async function system(page, base) {
  await page.locator('.rail a.item[href="#/system"]').click();
  await page.locator('.plot canvas').first().waitFor();
  await page.locator('[data-test=verdict]', { hasText: /Everything works|warning/ }).waitFor();
  const gauges = await page.locator('.gauge').allTextContents();
  check('the system view has its sentence, gauges and plots', gauges.length === 5 && (await page.locator('.plot canvas').count()) === 6,
    await page.locator('[data-test=verdict]').textContent());
  const row = page.locator('section[aria-label=Services] tr', { hasText: 'audioProcessor' });
  const button = (name) => page.locator('section[aria-label=Services] tr', { hasText: 'gama' }).getByRole('button', { name });
  await row.getByRole('button', { name: 'Restart' }).click();
  await page.locator('[data-test=confirm]:focus').waitFor();
  await page.keyboard.press('Enter');
  await page.locator('.toast', { hasText: 'audioProcessor was restarted' }).waitFor();
  check('a service is restarted after a question', true);
  for (const [name, back, shown] of [['Drain', 'Resume', 'drained: new weights'], ['Open breaker', 'Close breaker', 'new weights']]) {
    await button(name).click();
    await page.locator('input[name=reason]:focus').waitFor();
    await page.keyboard.type('new weights');
    const command = await page.getByRole('form', { name }).locator('.curl').textContent();
    await page.keyboard.press('Enter');
    await page.locator('section[aria-label=Services] tr', { hasText: shown }).waitFor();
    await button(back).click();
    await page.locator('[data-test=confirm]').click();
    await page.locator('section[aria-label=Services] tr', { hasText: shown }).waitFor({ state: 'detached' });
    check(`${name} and ${back}, with a reason`, /new weights/.test(command), command.slice(0, 80));
  }
  const work = fetch(`${base}/v1/audio/generations`, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ prompt: 'heavy rain', num_inference_steps: 500, audio_length_in_s: 10 }) });
  await page.locator('[data-test=task]', { hasText: 'Text to audio' }).getByRole('button', { name: 'Cancel' }).click();
  check('a task under way is shown and cancelled', (await work).status === 499, `status ${(await work).status}`);
}

async function settings(page) {
  await page.locator('.rail a.item[href="#/settings"]').click();
  const row = page.locator('tr', { hasText: 'log.level' });
  await row.getByRole('button', { name: 'Change' }).click();
  await page.getByRole('textbox', { name: 'log.level' }).fill('loud');
  await page.keyboard.press('Enter');
  await page.locator('[role=alert] b').waitFor();
  check('a bad setting is refused in the server’s words', /log\.level/.test(await page.locator('[role=alert] b').textContent()), await page.locator('[role=alert] b').textContent());
  await page.getByRole('textbox', { name: 'log.level' }).fill('debug');
  await page.keyboard.press('Enter');
  await page.locator('tr', { hasText: 'changed here' }).waitFor();
  check('a setting is changed, with its origin', true);
  await page.getByRole('tab', { name: 'All' }).click();
  await page.getByRole('searchbox', { name: 'Find a setting' }).fill('maxUpload');
  check('a setting is found with its description', /maximum size of a request/.test(await page.locator('table tbody').textContent()));
  await page.getByRole('tab', { name: 'Light' }).click();
  check('the theme changes', (await page.evaluate(() => document.documentElement.dataset.theme)) === 'light');
}

export async function byKeyboard(page, base) {
  await page.goto(`${base}/#/`);
  await page.reload();
  await page.locator('.hero').waitFor();
  for (let i = 0; i < 40; i++) {
    await page.keyboard.press('Tab');
    if (await page.evaluate(() => document.activeElement.textContent === 'Sample: speech')) break;
  }
  await page.keyboard.press('Enter');
  await page.locator('h1', { hasText: 'Transcribe' }).waitFor();
  await page.locator('.surface').waitFor();
  await page.locator('[data-test=transcribe]:not([disabled])').waitFor();
  await page.keyboard.press('Control+Enter');
  await page.locator('.transcript button').first().waitFor();
  for (let i = 0; i < 40 && !(await page.evaluate(() => document.activeElement.closest('.transcript'))); i++) await page.keyboard.press('Tab');
  await page.keyboard.press('ArrowRight');
  const lit = () => page.waitForFunction(() => document.querySelector('.transcript .lit')?.textContent === 'TRACK', null, { timeout: 5000 }).then(() => true, () => false);
  let seen = false;
  for (let i = 0; i < 5 && !seen; i++) { // a word is short, and a busy machine may not draw it
    await page.keyboard.press('Enter');
    seen = await lit();
  }
  if (!seen) throw new Error('the word is not lit');
  check('speech is transcribed and heard by keyboard alone', true);
  await page.locator('.surface').focus();
  await page.keyboard.press('Home');
  for (let i = 0; i < 3; i++) await page.keyboard.press('Shift+ArrowRight');
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('Shift+ArrowUp');
  const selection = await page.locator('.deck-tools .sel').textContent();
  check('a box in time and frequency is selected by keyboard', /s {2}\d+–\d+ Hz/.test(selection), selection);
  await page.keyboard.press('Escape');
  await page.keyboard.press('Control+k');
  await page.getByRole('combobox', { name: 'Command' }).waitFor();
  await page.keyboard.type('text to');
  await page.keyboard.press('Enter');
  await page.locator('h1', { hasText: 'Text to audio' }).waitFor();
  check('the command palette goes to a view', true);
  await page.locator('[data-test=prompt]').focus();
  await page.keyboard.type('slow beeps');
  await page.keyboard.press('Control+Enter');
  const made = page.locator('section[aria-label="slow beeps"]');
  await made.locator('[data-test=sound]').first().waitFor();
  check('a sound is generated by keyboard', true, await made.locator('h2').textContent());
  await page.locator('main').focus();
  for (const [key, title] of [['s', 'System'], ['o', 'Models'], ['c', 'Settings'], ['j', 'Jobs'], ['a', 'Ask'], ['d', 'Edit'], ['e', 'Convert'], ['l', 'Recordings'], ['p', 'Patterns'], ['i', 'Pipelines'], ['k', 'Other tasks'], ['t', 'Transcribe']]) {
    await page.keyboard.press('g');
    await page.keyboard.press(key);
    await page.locator('h1', { hasText: title }).waitFor();
  }
  check('two letters go to each view', true);
  await page.keyboard.press('?');
  await page.getByRole('dialog', { name: 'Keyboard shortcuts' }).waitFor();
  await page.keyboard.press('Escape');
  await page.locator('main').focus();
  await page.keyboard.press('r');
  await page.waitForFunction(() => Number(document.querySelector('.transport .tiny.mono')?.textContent.split(':')[1]) > 0.6);
  await page.keyboard.press('r');
  await until(page, () => /recording-/.test(document.querySelector('.transport select').selectedOptions[0].textContent));
  await goTo(page, 'transcribe', 'Transcribe');
  await page.keyboard.press('Control+Enter');
  await page.locator('section[aria-label=Transcript] .bar, section[aria-label=Transcript] .error').first().waitFor();
  check('a recording of the microphone is transcribed', (await page.locator('.error').count()) === 0);
}
