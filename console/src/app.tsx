import { ErrorBoundary, LocationProvider, Route, Router } from 'preact-iso';
import { useEffect, useState } from 'preact/hooks';
import { access, asking, findAccess, isOperator } from './access';
import { findJobTypes } from './job-types';
import { KeyDialog } from './shell/key-dialog';
import { Shortcuts } from './shell/shortcuts';
import { TopBar } from './shell/top-bar';
import { Toasts } from './shell/toasts';
import { Extras } from './user/extras';
import { NotFound } from './pages/not-found';
import { firstUserPage, routes } from './routes';
import { Page } from './ui/page';
import { Failure, Loading } from './ui/states';

export function App() {
  return (
    <LocationProvider>
      <a class="skip" href="#main">Skip to the content</a>
      <TopBar />
      <main id="main" tabIndex={-1}>
        <Gate />
      </main>
      <Extras />
      <Toasts />
      <Shortcuts />
      <KeyDialog />
    </LocationProvider>
  );
}

/** Nothing is asked of the API before it is known who asks. */
function Gate() {
  const [problem, setProblem] = useState<Error>();
  const ask = () => {
    setProblem(undefined);
    findAccess().then(() => findJobTypes().catch(() => {}), setProblem);
  };
  useEffect(ask, []);
  if (problem) return <Failure error={problem} retry={ask} />;
  if (!access.value) return <Loading />;
  if (access.value.caller === 'anonymous') return <Locked />;
  return (
    <ErrorBoundary onError={setProblem}>
      <Router>
        {routes.map(({ path, who, component }) => (
          <Route key={path} path={path} component={who === 'operator' && !isOperator.value ? (path === '/' ? firstUserPage : NeedsKey) : component} />
        ))}
        <Route default component={NotFound} />
      </Router>
    </ErrorBoundary>
  );
}

function Locked() {
  return (
    <Page title="A key is needed">
      <p>This system wants to know who is looking. An operator uses the service key; anybody else the token of the app.</p>
      <p><button type="button" class="primary" onClick={() => (asking.value = '')}>Enter a key or token</button></p>
    </Page>
  );
}

function NeedsKey() {
  return (
    <Page title="For operators">
      <p>This page shows everybody's work, so it needs the service key. You are here with a user's token.</p>
      <p><button type="button" onClick={() => (asking.value = '')}>Enter the service key</button></p>
    </Page>
  );
}
