import { useLocation } from 'preact-iso';
import { useEffect, useRef, useState } from 'preact/hooks';
import { isOperator } from '../access';
import { menu } from '../routes';
import { Dialog } from '../ui/dialog';

const PAUSE = 1200; // milliseconds between `g` and the letter of a page

/** Keys for those who have them in their fingers: `?` shows them. */
export function Shortcuts() {
  const [help, setHelp] = useState(false);
  const { route } = useLocation();
  const pages = [...(isOperator.value ? menu('operator') : []), ...menu('user')];

  const begun = useRef(0); // when `g` was pressed
  useEffect(() => {
    const pressed = (event: KeyboardEvent) => {
      if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target) || document.querySelector('dialog[open]')) return;
      const page = Date.now() - begun.current < PAUSE ? pages.find(({ key }) => key === event.key) : undefined;
      begun.current = event.key === 'g' && !page ? Date.now() : 0;
      if (page) route(page.path);
      else if (event.key === '?') setHelp(true);
      else if (event.key === '/') document.querySelector<HTMLInputElement>('main input[type=search]')?.focus();
      else return;
      event.preventDefault();
    };
    addEventListener('keydown', pressed);
    return () => removeEventListener('keydown', pressed);
  });

  if (!help) return null;
  return (
    <Dialog title="Keys" onClose={() => setHelp(false)}>
      <dl class="keys">
        {pages.map(({ key, title }) => <div key={key}><dt><kbd>g</kbd> <kbd>{key}</kbd></dt><dd>{title}</dd></div>)}
        <div><dt><kbd>/</kbd></dt><dd>Search on this page</dd></div>
        <div><dt><kbd>?</kbd></dt><dd>This list</dd></div>
      </dl>
    </Dialog>
  );
}

function isTyping(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && (target.isContentEditable || ['INPUT', 'TEXTAREA', 'SELECT'].includes(target.tagName));
}
