// Runs before the first paint: sets the theme, so that nothing flashes. The modules are
// requested after the first paint, all at once instead of one import after the other.
{
  const theme = localStorage.getItem('grym.theme');
  if (theme === 'dark' || theme === 'light') document.documentElement.dataset.theme = theme;
  const base = document.currentScript.src.replace(/boot\.js$/, '');
  const modules = ['main', 'lib', 'ui', 'api', 'deck', 'deck-view', 'wav', 'jobs', 'tasks', 'server', 'texts', 'icons', 'views'];
  let begun = false;
  const begin = () => {
    if (begun) return;
    begun = true;
    for (const name of [...modules, '../vendor/preact-htm']) {
      document.head.append(Object.assign(document.createElement('link'), { rel: 'modulepreload', href: `${base}${name}.js` }));
    }
    document.head.append(Object.assign(document.createElement('script'), { type: 'module', src: `${base}main.js` }));
  };
  const painted = (list) => list.getEntriesByName('first-contentful-paint').length && begin();
  new PerformanceObserver(painted).observe({ type: 'paint', buffered: true });
  setTimeout(begin, 500); // a page in the background is not painted
}
