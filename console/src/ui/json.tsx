import { attempt } from '../toasts';
import { Icon } from './icon';

/** A value as it is stored, and a way to take it along. */
export function Json({ value, label }: { value: unknown; label: string }) {
  const text = JSON.stringify(value, null, 2);
  const copy = () => attempt(async () => {
    await navigator.clipboard.writeText(text);
    return `${label} copied.`;
  });
  return (
    <div class="json">
      <pre tabIndex={0} role="region" aria-label={label}>{text}</pre>
      <button type="button" class="small quiet" aria-label={`Copy ${label}`} onClick={() => void copy()}><Icon name="copy" /></button>
    </div>
  );
}
