// What an operator does to a service or to one of its models, after a question and with a reason.
import { html, useLayoutEffect, useRef, useState } from '../lib.js';
import { Curl, Field } from '../ui.js';
import { describe } from '../api.js';
import { actions as t } from '../texts/system.js';
import { say } from '../texts.js';

const withReason = ['drain', 'resume', 'breaker/open'], grave = ['restart', 'drain', 'breaker/open'];
export function change({ name, model, action, reason, gap }) {
  const query = new URLSearchParams({ ...(model && { model }), ...(gap && { gap }) });
  return describe('POST', `/v1/services/${name}/${action}${query.size ? `?${query}` : ''}`, reason ? { json: { reason } } : {});
}

/** Asks before something is changed, and for the reason that its clients will read. */
export function Question({ asked, ask, act }) {
  const [reason, setReason] = useState(''), [gap, setGap] = useState(false), box = useRef(), request = change({ ...asked, reason: reason.trim(), gap }), { action } = asked;
  useLayoutEffect(() => { box.current.querySelector('input, button').focus(); }, []);
  const submit = (e) => {
    e.preventDefault();
    act(asked, request);
  };
  return html`<form class="panel stack" ref=${box} aria-label=${t.names[action]} onSubmit=${submit} onKeyDown=${(e) => e.key === 'Escape' && ask(null)}>
    <h2>${t.sure[action](asked.model ?? asked.name)}</h2>
    ${withReason.includes(action) && html`<${Field} label=${t.reason}><input type="text" name="reason" maxlength="500" autocomplete="off" placeholder=${t.reasonExample} value=${reason}
      onInput=${(e) => setReason(e.target.value)} /><//>`}
    ${action === 'reload' && html`<label class="check"><input type="checkbox" name="gap" checked=${gap} onChange=${(e) => setGap(e.target.checked)} />${t.gap}</label>`}
    <div class="row wrap"><button class=${`btn ${grave.includes(action) ? 'danger' : 'primary'}`} data-test="confirm">${t.names[action]}</button>
      <button type="button" class="btn quiet" onClick=${() => ask(null)}>${say.no}</button></div><${Curl} request=${request} /></form>`;
}
