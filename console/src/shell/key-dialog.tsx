import { useState } from 'preact/hooks';
import { asking, signIn } from '../access';
import { Dialog } from '../ui/dialog';

/** Asks for the service key or a user's token. It is kept for this tab and sent to this server alone. */
export function KeyDialog() {
  const [given, setGiven] = useState('');
  const [sent, setSent] = useState<string | null>(null); // the key whose answer is awaited
  if (asking.value === null) return null;
  const submit = async (event: Event) => {
    event.preventDefault();
    setSent(given);
    asking.value = '';
    try {
      await signIn(given);
      // What was typed while the answer was awaited is another key.
      setGiven(now => (now === given ? '' : now));
    } catch (error) {
      asking.value = (error as Error).message;
    } finally {
      setSent(now => (now === given ? null : now));
    }
  };
  return (
    <Dialog title="Who is looking?" onClose={() => (asking.value = null)}>
      <form onSubmit={submit}>
        <p>Operators enter the service key (<code>SERVICE_KEY</code> of the server), others the token of the app. It is forgotten when this tab is closed.</p>
        {asking.value && <p class="wrong" role="alert">{asking.value}</p>}
        <label class="field">Key or token
          <input type="password" autoComplete="off" spellcheck={false} required autoFocus value={given} onInput={event => setGiven(event.currentTarget.value)} />
        </label>
        <p class="actions"><button class="primary" disabled={!given.trim() || given === sent}>Continue</button></p>
      </form>
    </Dialog>
  );
}
