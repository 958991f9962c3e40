// The deck on the page. What shows a recording is loaded with the first one.
import { html, useEffect, useRef, useState, clock } from './lib.js';
import { Icon, ErrorBox } from './ui.js';
import { deck, current, isFolded, loadSample, record, pickFiles } from './deck.js';
import { say } from './texts.js';

function EmptyDeck({ s, onFiles }) {
  if (s.recording !== null) {
    return html`<div class="deck-empty"><span class="lamp bad"></span><b>${say.deck.recording(clock(s.recording, 1))}</b>
      <button class="btn small" onClick=${record}>${say.deck.stop}</button></div>`;
  }
  return html`<div class="deck-empty"><button class="btn" onClick=${() => pickFiles(onFiles)}><${Icon} name="file" />${say.deck.open}</button>
    <button class="btn" onClick=${record}><${Icon} name="mic" />${say.deck.record}</button>
    <button class="btn quiet" onClick=${() => loadSample('speech')}>${say.deck.sample}</button>
    <span class="muted small hide-s">${s.busy || say.deck.hint}</span></div>`;
}

export function Deck({ onFiles, bare }) {
  const s = deck.use(), r = current(s), folded = isFolded(s), box = useRef(), [Recording, setRecording] = useState(null);
  useEffect(() => { if (r && !Recording) import('./deck-lanes.js').then((m) => setRecording(() => m.default)); }, [r]);
  useEffect(() => {
    const set = ([e]) => document.documentElement.style.setProperty('--deck-h', `${e.contentRect.height}px`), watch = new ResizeObserver(set);
    watch.observe(box.current);
    return () => watch.disconnect();
  }, []);
  const refused = s.error && html`<div class="deck-error"><${ErrorBox} error=${s.error} />
    <button class="btn small quiet icon-only" aria-label=${say.dismiss} onClick=${() => deck.set({ error: null })}><${Icon} name="close" /></button></div>`;
  if (!r) {
    return html`<section class="deck" ref=${box} hidden=${bare && s.recording === null} aria-label=${say.deck.name}>
      <${EmptyDeck} s=${s} onFiles=${onFiles} />${refused}</section>`;
  }
  return html`<section class=${`deck ${folded ? 'small' : ''}`} ref=${box} aria-label=${say.deck.name}>${refused}${Recording && html`<${Recording} r=${r} s=${s} onFiles=${onFiles} />`}</section>`;
}
