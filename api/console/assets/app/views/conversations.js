// The conversations that the server keeps: continued in the deck, or deleted.
import { html, useState, useEffect, clock, since, toast } from '../lib.js';
import { Curl, ErrorBox } from '../ui.js';
import { describe, send, getJSON } from '../api.js';
import { loadId, setResult } from '../deck.js';
import { conversations as t } from '../texts/ask.js';
import { say } from '../texts.js';

const pathOf = (id) => `/v1/contexts/${encodeURIComponent(id)}`;

export function Conversations({ current }) {
  const [list, setList] = useState([]), [error, setError] = useState(null);
  const load = () => getJSON('/v1/contexts').then((x) => setList(x.data), setError);
  useEffect(() => { load(); }, [current]);
  const attempt = async (f) => {
    setError(null);
    try {
      await f();
    } catch (e) {
      setError(e);
    }
    load();
  };
  const open = (c) => attempt(async () => {
    const r = await loadId(c.audio_id, t.name(c.turns[0]?.question ?? ''));
    if (r) setResult(r.id, 'dialogue', { turns: c.turns.map((x) => ({ q: x.question, a: x.answer, pieces: [] })), context: c.id, span: null });
  });
  const remove = (c) => attempt(async () => {
    await send(describe('DELETE', pathOf(c.id)));
    toast(t.removed);
  });
  const others = list.filter((c) => c.id !== current).slice(0, 20);
  if (!others.length && !error) return null;
  return html`<details class="panel" data-test="conversations"><summary>${t.title(others.length)}</summary><${ErrorBox} error=${error} /><ul class="stack tight more">${others.map((c) => html`<li class="stack tight" key=${c.id}>
    <span class="small clip">${c.turns[0]?.question ?? t.noTurn}</span><div class="row"><span class="tiny faint grow">${t.facts(c.turns.length, clock(c.duration, 0), since(c.last_used))}</span>
    <button class="btn small quiet" aria-label=${t.open(c.turns[0]?.question ?? c.id)} onClick=${() => open(c)}>${t.continue}</button>
    <button class="btn small quiet" aria-label=${t.remove(c.turns[0]?.question ?? c.id)} onClick=${() => remove(c)}>${t.delete}</button></div></li>`)}</ul>
    ${others[0] && html`<${Curl} request=${describe('GET', pathOf(others[0].id))} />`}</details>`;
}
