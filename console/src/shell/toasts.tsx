import { toasts, unsay } from '../toasts';
import { Icon } from '../ui/icon';

export function Toasts() {
  return (
    <div class="toasts" role="status" aria-live="polite">
      {toasts.value.map(({ id, kind, text }) => (
        <div key={id} class={`toast ${kind}`}>
          <span>{text}</span>
          <button type="button" class="quiet" aria-label="Dismiss" onClick={() => unsay(id)}><Icon name="close" /></button>
        </div>
      ))}
    </div>
  );
}
