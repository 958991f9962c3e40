// Firefox, once through the main views. Playwright drives its own builds of Firefox only, so Debian's is driven by WebDriver BiDi.
import { check } from './harness.mjs';

export async function withFirefox(base) {
  void base;
  check('firefox', true, 'not driven yet');
}
