import { Page } from '../ui/page';

export function NotFound() {
  return (
    <Page title="There is no such page">
      <p>The address may be from an older version. <a href="/">Go to the overview</a>.</p>
    </Page>
  );
}
