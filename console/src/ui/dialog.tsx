import type { ComponentChildren } from 'preact';
import { useId, useLayoutEffect, useRef } from 'preact/hooks';
import { Icon } from './icon';

/** A modal dialog of the browser's own: it keeps the focus, Escape closes it, and the focus goes back to where it was. */
export function Dialog({ title, onClose, children }: { title: string; onClose: () => void; children: ComponentChildren }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const pressed = useRef(false); // beside the dialog: a text marked in it may be let go there
  const label = useId();
  // Before anything is drawn: the next key is for the dialog.
  useLayoutEffect(() => {
    const before = document.activeElement as HTMLElement | null;
    dialog.current?.showModal();
    dialog.current?.querySelector<HTMLElement>('[autofocus], input, .primary')?.focus();
    return () => before?.focus?.();
  }, []);
  return (
    <dialog
      ref={dialog} aria-labelledby={label} onClose={onClose}
      onPointerDown={event => (pressed.current = event.target === dialog.current)} onClick={event => pressed.current && event.target === dialog.current && onClose()}
    >
      <div class="dialog">
        <header><h2 id={label}>{title}</h2><button type="button" class="quiet" aria-label="Close" onClick={onClose}><Icon name="close" /></button></header>
        {children}
      </div>
    </dialog>
  );
}

/** Asks before something that cannot be taken back. */
export function Confirm({ title, verb, danger, busy, onYes, onClose, children }: {
  title: string; verb: string; danger?: boolean; busy?: boolean; onYes: () => void; onClose: () => void; children: ComponentChildren;
}) {
  return (
    <Dialog title={title} onClose={onClose}>
      {children}
      <p class="actions">
        <button type="button" onClick={onClose}>Back</button>
        <button type="button" class={danger ? 'primary danger' : 'primary'} disabled={busy} onClick={onYes}>{verb}</button>
      </p>
    </Dialog>
  );
}
