import { Icon } from '../ui/icon';
import type { Step } from './work';

const SAID = { done: 'done', current: 'now', waiting: 'to come', failed: 'stopped here' };

/** The steps of a job, done and to come. */
export function Steps({ steps }: { steps: Step[] }) {
  return (
    <ol class="steps">
      {steps.map(({ words, state }) => (
        <li key={words} class={state} aria-current={state === 'current' ? 'step' : undefined}>
          {state === 'current' ? <span class="spinner" aria-hidden="true" /> : <span class="mark" aria-hidden="true">{state === 'done' && <Icon name="check" />}{state === 'failed' && <Icon name="close" />}</span>}
          <span>{words}</span><span class="hidden">: {SAID[state]}</span>
        </li>
      ))}
    </ol>
  );
}
